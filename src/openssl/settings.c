/*
** Implements settings.h.
*/
#include "openssl/settings.h"

#include <openssl/evp.h>
#include <string.h>

/* The index of Settings in the extra data of OpenSSL's contexts: once for the whole process. */
static int settings_index = -1;
static CRYPTO_ONCE settings_index_once = CRYPTO_ONCE_STATIC_INIT;

/* OpenSSL frees a context. */
static void settings_freed(void *parent, void *settings, CRYPTO_EX_DATA *data, int index, long l,
                           void *p) {
    (void)parent, (void)data, (void)index, (void)l, (void)p;
    if (settings != NULL) OPENSSL_cleanse(settings, sizeof(Settings));
    OPENSSL_free(settings);
}

static void settings_make_index(void) {
    settings_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, settings_freed);
}

Settings *settings_add(SSL_CTX *context, size_t protocol_size) {
    if (!CRYPTO_THREAD_run_once(&settings_index_once, settings_make_index) || settings_index < 0)
        return NULL;
    Settings *settings = OPENSSL_zalloc(sizeof *settings + protocol_size);
    if (settings == NULL) return NULL;
    if (!SSL_CTX_set_ex_data(context, settings_index, settings)) {
        OPENSSL_free(settings);
        return NULL;
    }
    settings->protocol_size = (unsigned)protocol_size;
    return settings;
}

Settings *settings_of(const SSL_CTX *context) {
    return SSL_CTX_get_ex_data(context, settings_index);
}

bool settings_bind(const Settings *settings, SSL *ssl, const char *name,
                   unsigned char identity[IDENTITY_SIZE]) {
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool done = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) &&
                EVP_DigestUpdate(hash, settings->identity, IDENTITY_SIZE) &&
                EVP_DigestUpdate(hash, name, strlen(name)) &&
                EVP_DigestFinal_ex(hash, identity, NULL) &&
                SSL_set_session_id_context(ssl, identity, IDENTITY_SIZE);
    EVP_MD_CTX_free(hash);
    return done;
}
