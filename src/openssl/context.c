/*
** Implements context.h.
*/
#include "openssl/context.h"

#include "openssl/cert_files.h"
#include "openssl/fields.h"
#include "openssl/handshake.h"
#include "openssl/settings.h"

#include <lauxlib.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

static const char context_name[] = "arsenal.openssl.context";

enum { SECURITY_LEVEL = 2 }; /* 112 bits; the system's configuration may say less */

/* With forward secrecy and authenticated encryption only. */
static const char default_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

SSL_CTX *context_check(lua_State *L, int index) {
    return *(SSL_CTX **)luaL_checkudata(L, index, context_name);
}

bool context_serve(SSL_CTX *context, Session *session) {
    unsigned char identity[IDENTITY_SIZE];
    SSL *ssl = session->ssl;
    SSL_set_SSL_CTX(ssl, context); /* leaves what the session has copied from its first context */
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context), handshake_verified);
    SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(context));
    SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(context));
    return settings_bind(settings_of(context), ssl, session_requested(session), identity);
}

/* --- OpenSSL's callbacks --- */

static int context_select_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *size,
                                   const unsigned char *offered, unsigned offered_size,
                                   void *argument) {
    const Settings *settings = argument;
    (void)ssl;
    int found = SSL_select_next_proto((unsigned char **)chosen, size, settings->protocols,
                                      settings->protocol_size, offered, offered_size);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Confirms the server name to the client. The context that serves it was chosen before. */
static int context_confirm_name(SSL *ssl, int *alert, void *argument) {
    (void)ssl, (void)alert, (void)argument;
    return SSL_TLSEXT_ERR_OK;
}

/* The keys are those of the context that serves the client. */
static int context_use_ticket_keys(SSL *ssl, unsigned char *name, unsigned char *iv,
                                   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts) {
    Settings *settings = settings_of(SSL_get_SSL_CTX(ssl));
    return ticket_keys_use(&settings->ticket_keys, name, iv, cipher, mac, encrypts);
}

/* Refuses an encrypted key; by default OpenSSL asks for the password at the terminal. */
static int context_refuse_password(char *buffer, int size, int writing, void *argument) {
    (void)buffer, (void)size, (void)writing, (void)argument;
    return -1;
}

/*
** --- setting up from the table at index 1; each step that can fail pushes the
** words for it and returns a status as those of cert_files.h do ---
*/

enum { TABLE = 1, SSL_CONTEXT };

static const char *context_string(lua_State *L, const char *name) {
    return fields_string(L, TABLE, name, NULL);
}

static int context_fail(lua_State *L, const char *what) {
    lua_pushstring(L, what);
    return CERT_FILES_WRONG;
}

static int context_add_settings(lua_State *L, SSL_CTX *context) {
    size_t size = 0;
    const char *protocols = fields_string(L, TABLE, "protocols", &size);
    Settings *settings = settings_add(context, size);
    if (settings == NULL) return context_fail(L, "not enough memory");
    settings->server = fields_flag(L, TABLE, "server");
    settings->verifies = fields_flag(L, TABLE, "verify");
    settings->asks = fields_flag(L, TABLE, "asks");
    settings->ticket_keys.lifetime = fields_number(L, TABLE, "ticket_key_lifetime");
    if (size > 0) memcpy(settings->protocols, protocols, size);
    return 0;
}

/* The list of the options, or the default; never without certificates or encryption. */
static bool context_set_cipher_list(lua_State *L, SSL_CTX *context, const char *ciphers) {
    lua_pushfstring(L, "%s:!aNULL:!eNULL", ciphers != NULL ? ciphers : default_ciphers);
    bool done = SSL_CTX_set_cipher_list(context, lua_tostring(L, -1));
    lua_pop(L, 1);
    return done;
}

static int context_set_ciphers(lua_State *L, SSL_CTX *context) {
    const char *ciphers = context_string(L, "ciphers");
    const char *suites = context_string(L, "suites"); /* those of TLS 1.3 */
    const char *wrong = NULL;
    if (!context_set_cipher_list(L, context, ciphers))
        wrong = ciphers;
    else if (suites != NULL && !SSL_CTX_set_ciphersuites(context, suites))
        wrong = suites;
    SSL_CTX_set_security_level(context, SECURITY_LEVEL); /* a list may have set another one */
    if (wrong == NULL) return 0;
    lua_pushfstring(L, "ciphers '%s': no such cipher", wrong);
    return CERT_FILES_WRONG;
}

/* Only curves: a client's key share of a large finite field costs a server a tenth of a second. */
static int context_set_groups(lua_State *L, SSL_CTX *context) {
    if (SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:P-521") ||
        SSL_CTX_set1_groups_list(context, "P-256:P-384:P-521")) /* OpenSSL in FIPS mode */
        return 0;
    return context_fail(L, "OpenSSL has no elliptic curves");
}

static int context_version(lua_State *L, const char *name, int otherwise) {
    const char *version = context_string(L, name);
    if (version == NULL) return otherwise;
    return strcmp(version, "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

static void context_set_up_common(lua_State *L, SSL_CTX *context) {
    SSL_CTX_set_min_proto_version(context, context_version(L, "min_version", TLS1_2_VERSION));
    SSL_CTX_set_max_proto_version(context, context_version(L, "max_version", 0));
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                            SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                            SSL_OP_IGNORE_UNEXPECTED_EOF); /* tls_transport.c detects it itself */
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets need no cache */
    SSL_CTX_set_default_passwd_cb(context, context_refuse_password);
}

static int context_server_verify_mode(lua_State *L) {
    const char *client_cert = context_string(L, "client_cert");
    if (client_cert == NULL) return SSL_VERIFY_NONE;
    int mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
    return strcmp(client_cert, "require") == 0 ? mode | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : mode;
}

static void context_set_up_server(lua_State *L, SSL_CTX *context) {
    Settings *settings = settings_of(context);
    SSL_CTX_set_verify(context, context_server_verify_mode(L), handshake_verified);
    SSL_CTX_set_num_tickets(context, 0); /* tls_transport.c sends them with the first write */
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, context_use_ticket_keys);
    SSL_CTX_set_client_hello_cb(context, handshake_greeted, settings);
    SSL_CTX_set_tlsext_servername_callback(context, context_confirm_name);
    if (settings->protocol_size > 0)
        SSL_CTX_set_alpn_select_cb(context, context_select_protocol, (void *)settings);
}

static void context_set_up_client(SSL_CTX *context) {
    bool verifies = settings_of(context)->verifies;
    SSL_CTX_set_verify(context, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, handshake_verified);
}

static int context_load_authorities(lua_State *L, SSL_CTX *context) {
    const Settings *settings = settings_of(context);
    const char *file = context_string(L, "ca_file"), *path = context_string(L, "ca_path");
    int status = 0;
    if (file != NULL) status = cert_files_load_authorities(L, context, file, settings->server);
    if (status == 0 && path != NULL) status = cert_files_load_directory(L, context, path);
    if (file == NULL && path == NULL && settings->verifies)
        SSL_CTX_set_default_verify_paths(context);
    return status;
}

static int context_load_certificate(lua_State *L, SSL_CTX *context) {
    const char *cert = context_string(L, "cert"), *key = context_string(L, "key");
    if (cert == NULL) return 0;
    int status = cert_files_load_certificate(L, context, cert);
    return status != 0 ? status : cert_files_load_key(L, context, key != NULL ? key : cert, cert);
}

/* --- the identity --- */

/* Adds a certificate's digest to the hash; false if there is no memory. */
static bool context_hash_certificate(EVP_MD_CTX *hash, const X509 *certificate) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    return X509_digest(certificate, EVP_sha256(), digest, &size) &&
           EVP_DigestUpdate(hash, digest, size);
}

static bool context_hash_chain(EVP_MD_CTX *hash, SSL_CTX *context) {
    STACK_OF(X509) *chain = NULL;
    X509 *certificate = SSL_CTX_get0_certificate(context);
    if (certificate == NULL) return true;
    bool done = context_hash_certificate(hash, certificate);
    SSL_CTX_get0_chain_certs(context, &chain);
    for (int i = 0; done && i < sk_X509_num(chain); i++)
        done = context_hash_certificate(hash, sk_X509_value(chain, i));
    return done;
}

static bool context_hash_authorities(EVP_MD_CTX *hash, SSL_CTX *context) {
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    bool done = true;
    for (int i = 0; done && i < sk_X509_OBJECT_num(objects); i++) {
        const X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        done = authority == NULL || context_hash_certificate(hash, authority);
    }
    return done;
}

/* Each part is preceded by a byte that says what it is, so that no two lists of parts are alike. */
static bool context_hash_client(lua_State *L, SSL_CTX *context, EVP_MD_CTX *hash,
                                unsigned char identity[IDENTITY_SIZE]) {
    size_t size = 0;
    const char *folder = fields_string(L, TABLE, "ca_folder", &size);
    return EVP_DigestInit_ex(hash, EVP_sha256(), NULL) &&
           EVP_DigestUpdate(hash, settings_of(context)->verifies ? "v" : "-", 1) &&
           context_hash_chain(hash, context) && EVP_DigestUpdate(hash, "a", 1) &&
           context_hash_authorities(hash, context) && EVP_DigestUpdate(hash, "f", 1) &&
           EVP_DigestUpdate(hash, folder != NULL ? folder : "", size) &&
           EVP_DigestFinal_ex(hash, identity, NULL);
}

static int context_identify(lua_State *L, SSL_CTX *context) {
    Settings *settings = settings_of(context);
    if (settings->server) {
        bool done = RAND_bytes(settings->identity, IDENTITY_SIZE) == 1;
        return done ? 0 : context_fail(L, "OpenSSL has no random numbers");
    }
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool done = hash != NULL && context_hash_client(L, context, hash, settings->identity);
    EVP_MD_CTX_free(hash);
    return done ? 0 : context_fail(L, "not enough memory");
}

static int context_set_up(lua_State *L, SSL_CTX *context) {
    context_set_up_common(L, context);
    int status = context_add_settings(L, context);
    if (status == 0) status = context_set_ciphers(L, context);
    if (status == 0) status = context_set_groups(L, context);
    if (status != 0) return status;
    if (settings_of(context)->server)
        context_set_up_server(L, context);
    else
        context_set_up_client(context);
    status = context_load_authorities(L, context);
    if (status == 0) status = context_load_certificate(L, context);
    return status != 0 ? status : context_identify(L, context);
}

int context_new(lua_State *L) {
    luaL_checktype(L, TABLE, LUA_TTABLE);
    lua_settop(L, TABLE);
    SSL_CTX **context = lua_newuserdatauv(L, sizeof *context, 0);
    *context = NULL;
    luaL_setmetatable(L, context_name);
    ERR_clear_error();
    *context = SSL_CTX_new(TLS_method());
    if (*context == NULL) return luaL_error(L, "not enough memory");
    int status = context_set_up(L, *context);
    ERR_clear_error();
    if (status == 0) {
        lua_settop(L, SSL_CONTEXT);
        return 1;
    }
    lua_pushnil(L);
    lua_insert(L, -2);
    if (status == CERT_FILES_WRONG) return 2;
    lua_pushinteger(L, status);
    return 3;
}

static int context_gc(lua_State *L) {
    SSL_CTX **context = lua_touserdata(L, 1);
    SSL_CTX_free(*context);
    *context = NULL;
    return 0;
}

void context_open(lua_State *L) {
    luaL_newmetatable(L, context_name);
    lua_pushcfunction(L, context_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
