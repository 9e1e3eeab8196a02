/*
** Ticket keys: what a server encrypts its session tickets with. They change every
** few hours; the last two are accepted, so that a ticket can be used for at least
** as long as a key is new.
*/
#ifndef ARSENAL_OPENSSL_TICKET_KEYS_H
#define ARSENAL_OPENSSL_TICKET_KEYS_H

#include <openssl/ssl.h>

typedef struct TicketKey {
    double made; /* the time, in seconds */
    unsigned char name[16], cipher[32], mac[32];
} TicketKey;

typedef struct TicketKeys {
    double lifetime;            /* seconds until a new key is made */
    TicketKey current, earlier; /* unset until the first use */
} TicketKeys;

/*
** Prepares a ticket's encryption or decryption. It has the parameters and results
** of OpenSSL's callback for this: SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
*/
int ticket_keys_use(TicketKeys *keys, unsigned char *name, unsigned char *iv,
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts);

#endif
