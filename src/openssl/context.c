/*
** Owns how contexts are set up: versions, ciphers, verification, the callbacks
** that a server's handshake makes.
*/
#include "openssl/context.h"

#include "openssl/cert_files.h"
#include "openssl/session.h"
#include "openssl/error_text.h"

#include <lauxlib.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

static const char context_name[] = "arsenal.openssl.context";

/* Forward secret, and authenticated encryption only. */
static const char default_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static int settings_index; /* of OpenSSL's extra data */

static void settings_freed(void *parent, void *settings, CRYPTO_EX_DATA *data, int index, long l,
                           void *p) {
    (void)parent, (void)data, (void)index, (void)l, (void)p;
    OPENSSL_free(settings);
}

SSL_CTX *context_check(lua_State *L, int index) {
    return *(SSL_CTX **)luaL_checkudata(L, index, context_name);
}

const Settings *context_settings(const SSL_CTX *context) {
    return SSL_CTX_get_ex_data(context, settings_index);
}

/* --- reading the table of settings, at index 1: its callers have checked it --- */

static const char *get_string(lua_State *L, const char *name, size_t *length) {
    lua_getfield(L, 1, name);
    const char *value = lua_tolstring(L, -1, length);
    lua_pop(L, 1); /* the table holds it */
    return value;
}

static bool get_flag(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static int get_version(lua_State *L, const char *name, int otherwise) {
    const char *version = get_string(L, name, NULL);
    if (version == NULL) return otherwise;
    return strcmp(version, "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

/* nil, the words on top, and an errno that they don't tell yet, or nil */
static int fail(lua_State *L, int status) {
    lua_pushnil(L);
    lua_insert(L, -2);
    if (status >= 0) return 2;
    lua_pushinteger(L, status);
    return 3;
}

/* --- a server's callbacks --- */

static int select_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *size,
                           const unsigned char *offered, unsigned offered_size, void *argument) {
    const Settings *settings = argument;
    (void)ssl;
    int found = SSL_select_next_proto((unsigned char **)chosen, size, settings->protocols,
                                      settings->protocol_size, offered, offered_size);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Says that the client's name was heeded; which context serves it was decided before. */
static int name_heeded(SSL *ssl, int *alert, void *argument) {
    (void)ssl, (void)alert, (void)argument;
    return SSL_TLSEXT_ERR_OK;
}

/* A key that needs a password is refused instead of asking at the terminal. */
static int no_password(char *buffer, int size, int writing, void *argument) {
    (void)buffer, (void)size, (void)writing, (void)argument;
    return -1;
}

/* --- setting up; each step is true, or false with the words of what is wrong on top --- */

static bool add_settings(lua_State *L, SSL_CTX *context) {
    size_t size = 0;
    const char *protocols = get_string(L, "protocols", &size);
    Settings *settings = OPENSSL_zalloc(sizeof *settings + size);
    if (settings == NULL || !SSL_CTX_set_ex_data(context, settings_index, settings)) {
        OPENSSL_free(settings);
        lua_pushliteral(L, "not enough memory");
        return false;
    }
    settings->server = get_flag(L, "server");
    settings->verifies = get_flag(L, "verify");
    settings->asks = get_flag(L, "asks");
    settings->protocol_size = (unsigned)size;
    if (size > 0) memcpy(settings->protocols, protocols, size);
    RAND_bytes(settings->identity, sizeof settings->identity);
    return true;
}

static bool set_ciphers(lua_State *L, SSL_CTX *context) {
    const char *ciphers = get_string(L, "ciphers", NULL);
    const char *suites = get_string(L, "suites", NULL); /* those of TLS 1.3 */
    const char *wrong = NULL;
    if (!SSL_CTX_set_cipher_list(context, ciphers != NULL ? ciphers : default_ciphers))
        wrong = ciphers;
    else if (suites != NULL && !SSL_CTX_set_ciphersuites(context, suites))
        wrong = suites;
    if (wrong == NULL) return true;
    ERR_clear_error();
    lua_pushfstring(L, "ciphers '%s': no such cipher", wrong);
    return false;
}

static void set_up_common(lua_State *L, SSL_CTX *context) {
    SSL_CTX_set_min_proto_version(context, get_version(L, "min_version", TLS1_2_VERSION));
    SSL_CTX_set_max_proto_version(context, get_version(L, "max_version", 0));
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF); /* records.c does not */
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_passwd_cb(context, no_password);
}

static void set_up_server(lua_State *L, SSL_CTX *context) {
    const Settings *settings = context_settings(context);
    const char *client_cert = get_string(L, "client_cert", NULL);
    int mode = SSL_VERIFY_NONE;
    if (client_cert != NULL) mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
    if (client_cert != NULL && strcmp(client_cert, "require") == 0)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, session_verified);
    SSL_CTX_set_session_id_context(context, settings->identity, sizeof settings->identity);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets do without */
    SSL_CTX_set_num_tickets(context, 0); /* they go out with the first answer: see session.c */
    SSL_CTX_set_client_hello_cb(context, session_greeted, NULL);
    SSL_CTX_set_tlsext_servername_callback(context, name_heeded);
    if (settings->protocol_size > 0)
        SSL_CTX_set_alpn_select_cb(context, select_protocol, (void *)settings);
}

static void set_up_client(SSL_CTX *context) {
    SSL_CTX_set_verify(context,
                       context_settings(context)->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       session_verified);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static int load_files(lua_State *L, SSL_CTX *context) {
    const Settings *settings = context_settings(context);
    const char *cert = get_string(L, "cert", NULL), *key = get_string(L, "key", NULL);
    const char *ca_file = get_string(L, "ca_file", NULL), *ca_path = get_string(L, "ca_path", NULL);
    int status = 0;
    if (ca_file != NULL)
        status = cert_files_load_authorities(L, context, ca_file, settings->server);
    if (status == 0 && ca_path != NULL) status = cert_files_load_directory(L, context, ca_path);
    if (ca_file == NULL && ca_path == NULL && settings->verifies)
        SSL_CTX_set_default_verify_paths(context);
    if (status == 0 && cert != NULL) status = cert_files_load_certificate(L, context, cert);
    if (status == 0 && cert != NULL)
        status = cert_files_load_key(L, context, key != NULL ? key : cert, cert);
    return status;
}

/*
** context{server, cert, key, ca_file, ca_path, verify, client_cert, protocols,
** min_version, max_version, ciphers, suites, asks}
*/
int context_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    SSL_CTX **context = lua_newuserdatauv(L, sizeof *context, 0);
    *context = NULL;
    luaL_setmetatable(L, context_name);
    ERR_clear_error();
    *context = SSL_CTX_new(TLS_method());
    if (*context == NULL) return luaL_error(L, "not enough memory");
    set_up_common(L, *context);
    if (!add_settings(L, *context) || !set_ciphers(L, *context)) return fail(L, CERT_FILES_WRONG);
    get_flag(L, "server") ? set_up_server(L, *context) : set_up_client(*context);
    int status = load_files(L, *context);
    if (status != 0) return fail(L, status);
    ERR_clear_error();
    lua_settop(L, 2);
    return 1;
}

static int context_gc(lua_State *L) {
    SSL_CTX **context = lua_touserdata(L, 1);
    SSL_CTX_free(*context);
    *context = NULL;
    return 0;
}

void context_open(lua_State *L) {
    if (settings_index == 0)
        settings_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, settings_freed);
    luaL_newmetatable(L, context_name);
    lua_pushcfunction(L, context_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
