/*
** Implements ticket_keys.h.
*/
#include "openssl/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>

/* The results of ticket_keys_use. */
enum { TICKET_FAILED = -1, TICKET_UNKNOWN, TICKET_READY, TICKET_RENEW };

static double ticket_keys_now(void) {
    struct timeval now;
    return gettimeofday(&now, NULL) == 0 ? (double)now.tv_sec + (double)now.tv_usec / 1e6 : 0;
}

static bool ticket_keys_make(TicketKey *key, double now) {
    key->made = now;
    return RAND_bytes(key->name, sizeof key->name) == 1 &&
           RAND_priv_bytes(key->cipher, sizeof key->cipher) == 1 &&
           RAND_priv_bytes(key->mac, sizeof key->mac) == 1;
}

/* Replaces keys that are too old, or from the future because the clock was set back. */
static bool ticket_keys_rotate(TicketKeys *keys) {
    double now = ticket_keys_now(), age = now - keys->current.made;
    if (age >= 0 && age < keys->lifetime) return true;
    bool is_recent = age >= 0 && age < 2 * keys->lifetime;
    if (is_recent) keys->earlier = keys->current;
    return (is_recent || ticket_keys_make(&keys->earlier, now)) &&
           ticket_keys_make(&keys->current, now);
}

static bool ticket_keys_set_mac(EVP_MAC_CTX *mac, const TicketKey *key) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int ticket_keys_encrypt(const TicketKey *key, unsigned char *name, unsigned char *iv,
                               EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac) {
    memcpy(name, key->name, sizeof key->name);
    bool done = RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
                EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 &&
                ticket_keys_set_mac(mac, key);
    return done ? TICKET_READY : TICKET_FAILED;
}

static bool ticket_keys_decrypt(const TicketKey *key, const unsigned char *iv,
                                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac) {
    return ticket_keys_set_mac(mac, key) &&
           EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1;
}

static bool ticket_keys_is_named(const TicketKey *key, const unsigned char *name) {
    return memcmp(key->name, name, sizeof key->name) == 0;
}

static int ticket_keys_use_locked(TicketKeys *keys, unsigned char *name, unsigned char *iv,
                                  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts) {
    if (!ticket_keys_rotate(keys)) return TICKET_FAILED;
    if (encrypts) return ticket_keys_encrypt(&keys->current, name, iv, cipher, mac);
    bool is_current = ticket_keys_is_named(&keys->current, name);
    if (!is_current && !ticket_keys_is_named(&keys->earlier, name)) return TICKET_UNKNOWN;
    const TicketKey *key = is_current ? &keys->current : &keys->earlier;
    if (!ticket_keys_decrypt(key, iv, cipher, mac)) return TICKET_FAILED;
    return is_current ? TICKET_READY : TICKET_RENEW;
}

/* Connections of one context may be in several threads: see transport.h, carrier. */
static CRYPTO_RWLOCK *lock;
static CRYPTO_ONCE lock_once = CRYPTO_ONCE_STATIC_INIT;

static void ticket_keys_make_lock(void) {
    lock = CRYPTO_THREAD_lock_new();
}

int ticket_keys_use(TicketKeys *keys, unsigned char *name, unsigned char *iv,
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts) {
    if (!CRYPTO_THREAD_run_once(&lock_once, ticket_keys_make_lock) || lock == NULL ||
        !CRYPTO_THREAD_write_lock(lock))
        return TICKET_FAILED;
    int result = ticket_keys_use_locked(keys, name, iv, cipher, mac, encrypts);
    CRYPTO_THREAD_unlock(lock);
    return result;
}
