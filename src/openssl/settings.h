/*
** Settings: what OpenSSL's contexts have no room for. They live as long as their
** context, and do not change, except for the ticket keys.
*/
#ifndef ARSENAL_OPENSSL_SETTINGS_H
#define ARSENAL_OPENSSL_SETTINGS_H

#include "openssl/ticket_keys.h"

#include <openssl/ssl.h>
#include <stdbool.h>

enum { IDENTITY_SIZE = 32 };

typedef struct Settings {
    /*
    ** Sessions are resumed only under the same identity. A server's is random; a
    ** client's is a digest of all that decides which servers it accepts, and of the
    ** certificate that it shows.
    */
    unsigned char identity[IDENTITY_SIZE];
    bool server;
    bool verifies; /* a client: the server's certificate and name */
    bool asks;     /* a server: Lua chooses the context for each client */
    TicketKeys ticket_keys;
    unsigned protocol_size; /* a server's ALPN list as it is on the wire */
    unsigned char protocols[];
} Settings;

/* Gives a new context zeroed settings, with room for an ALPN list; NULL if there is no memory. */
Settings *settings_add(SSL_CTX *context, size_t protocol_size);

Settings *settings_of(const SSL_CTX *context);

/*
** Binds the sessions of `ssl` to the settings and to a name, "" for none, and writes
** what they are bound to; false if there is no memory.
*/
bool settings_bind(const Settings *settings, SSL *ssl, const char *name,
                   unsigned char identity[IDENTITY_SIZE]);

#endif
