/*
** Owns sessions: how they are made, what they expect of the peer, the question
** that a server's handshake stops for, and why they fail.
*/
#include "openssl/session.h"

#include "openssl/peer_info.h"
#include "openssl/context.h"
#include "openssl/tls_transport.h"
#include "openssl/wire.h"

#include "base/error.h"

#include <lauxlib.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static const char session_name[] = "arsenal.openssl.session";

enum {
    TICKETS = 2, /* for a client that may come again more than once at a time */
    NAME_FLAGS = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
};

static Session *check(lua_State *L) {
    Session *session = luaL_checkudata(L, 1, session_name);
    if (session->ssl == NULL) luaL_error(L, "the session is closed");
    return session;
}

/* --- failures --- */

static void set_reason(Session *session, const char *words) {
    free(session->reason);
    session->reason = strdup(words);
}

static int fail(Session *session, int status, const char *words) {
    set_reason(session, words);
    ERR_clear_error();
    return session->failed = status;
}

static bool is_ssl_error(unsigned long error, int reason) {
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reason;
}

int session_fail(Session *session) {
    unsigned long error = ERR_peek_error();
    char words[ERROR_TEXT];
    if (error == 0 && session->error != 0) return -session->error;
    if (session->state == SESSION_REFUSED)
        return fail(session, ARSENAL_TLS, "the name that the client asks for is refused");
    if (is_ssl_error(error, SSL_R_CERTIFICATE_VERIFY_FAILED) && session->reason != NULL) {
        ERR_clear_error(); /* session_verified has told why */
        return session->failed = ARSENAL_CERT;
    }
    if (error == 0) return session_cut_off(session);
    bool missing = is_ssl_error(error, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
    error_text_of_failure(words);
    return fail(session, missing ? ARSENAL_CERT : ARSENAL_TLS, words);
}

int session_cut_off(Session *session) {
    ERR_clear_error();
    set_reason(session, SSL_is_init_finished(session->ssl)
                            ? "cut off without close_notify"
                            : "the peer went away during the handshake");
    return ARSENAL_TLS;
}

/* --- the peer's certificate --- */

static bool is_about_the_name(int error) {
    return error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

static void refuse_certificate(Session *session, int error, X509 *certificate) {
    char about[ERROR_TEXT] = "", words[2 * ERROR_TEXT];
    if (is_about_the_name(error) && certificate != NULL && session->peer_name != NULL) {
        error_text_of_names(certificate, about);
        BIO_snprintf(words, sizeof words, "certificate refused: it is for %s, not for %s", about,
                     session->peer_name);
    } else {
        if (certificate != NULL) error_text_of_subject(certificate, about);
        BIO_snprintf(words, sizeof words, "certificate refused: %s: %s",
                     X509_verify_cert_error_string(error), about);
    }
    set_reason(session, words);
}

int session_verified(int ok, X509_STORE_CTX *store) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    if (!ok)
        refuse_certificate(SSL_get_app_data(ssl), X509_STORE_CTX_get_error(store),
                           X509_STORE_CTX_get_current_cert(store));
    return ok;
}

static bool is_for(X509 *certificate, const char *name) {
    return X509_check_ip_asc(certificate, name, 0) == 1 ||
           X509_check_host(certificate, name, 0, NAME_FLAGS, NULL) == 1;
}

/* OpenSSL verifies nothing where a session is resumed: what was verified then must do now. */
static int check_resumed(Session *session) {
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    long error = SSL_get_verify_result(session->ssl);
    if (certificate == NULL)
        error = X509_V_ERR_UNSPECIFIED;
    else if (error == X509_V_OK && !is_for(certificate, session->peer_name))
        error = X509_V_ERR_HOSTNAME_MISMATCH;
    if (error == X509_V_OK) return 0;
    refuse_certificate(session, (int)error, certificate);
    return session->failed = ARSENAL_CERT;
}

int session_established(Session *session) {
    bool resumed = SSL_session_reused(session->ssl);
    if (session->peer_name != NULL && resumed) return check_resumed(session);
    if (SSL_is_server(session->ssl) && SSL_version(session->ssl) == TLS1_3_VERSION)
        session->tickets = resumed ? 1 : TICKETS;
    return 0;
}

/* --- which context serves a client: the handshake stops until that is answered --- */

/* The host name in the extension's data: RFC 6066, section 3. */
static char *copy_name(const unsigned char *data, size_t size) {
    size_t length =
        size >= 5 && data[2] == TLSEXT_NAMETYPE_host_name ? (size_t)data[3] << 8 | data[4] : 0;
    return length + 5 <= size ? strndup((const char *)data + 5, length) : strdup("");
}

int session_greeted(SSL *ssl, int *alert, void *argument) {
    Session *session = SSL_get_app_data(ssl);
    const unsigned char *data = NULL;
    size_t size = 0;
    (void)argument;
    if (session->state == SESSION_REFUSED) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (session->state == SESSION_ANSWERED || !context_settings(SSL_get_SSL_CTX(ssl))->asks)
        return SSL_CLIENT_HELLO_SUCCESS;
    if (session->state == SESSION_NOT_ASKED) {
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size);
        session->asked_name = copy_name(data, size);
        session->state = SESSION_ASKING;
    }
    return SSL_CLIENT_HELLO_RETRY;
}

/* session:asked() the name that the client asks for, "" for none. */
static int asked(lua_State *L) {
    Session *session = check(L);
    lua_pushstring(L, session->asked_name != NULL ? session->asked_name : "");
    return 1;
}

/* Takes over what a session has copied of its first context. */
static void change_context(SSL *ssl, SSL_CTX *context) {
    const Settings *settings = context_settings(context);
    SSL_set_SSL_CTX(ssl, context);
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context), session_verified);
    SSL_set_session_id_context(ssl, settings->identity, sizeof settings->identity);
    SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(context));
    SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(context));
}

/* session:serve(context) goes on with that context, nil for its own, false for none: it is refused. */
static int serve(lua_State *L) {
    Session *session = check(L);
    bool refused = lua_isboolean(L, 2) && !lua_toboolean(L, 2);
    if (!refused && !lua_isnoneornil(L, 2)) change_context(session->ssl, context_check(L, 2));
    session->state = refused ? SESSION_REFUSED : SESSION_ANSWERED;
    return 0;
}

/* --- making one --- */

/* True unless there was no memory. An address is not sent as a name: RFC 6066, section 3. */
static bool expect_name(Session *session, const char *name, bool verifies) {
    X509_VERIFY_PARAM *expected = SSL_get0_param(session->ssl);
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
    bool is_address = address != NULL, done;
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    if (!is_address && !SSL_set_tlsext_host_name(session->ssl, name)) return false;
    if (!verifies) return true;
    X509_VERIFY_PARAM_set_hostflags(expected, NAME_FLAGS);
    done = is_address ? X509_VERIFY_PARAM_set1_ip_asc(expected, name)
                      : X509_VERIFY_PARAM_set1_host(expected, name, 0);
    session->peer_name = strdup(name);
    return done && session->peer_name != NULL;
}

/* A session that is to be resumed: only one that was made under the same expectations is. */
static void resume(Session *session, const char *saved, size_t size, const char *identity,
                   size_t identity_size) {
    const unsigned char *data = (const unsigned char *)saved;
    unsigned length;
    SSL_SESSION *old = d2i_SSL_SESSION(NULL, &data, (long)size);
    if (old == NULL) return;
    const unsigned char *made_for = SSL_SESSION_get0_id_context(old, &length);
    if (length == identity_size && memcmp(made_for, identity, length) == 0)
        SSL_set_session(session->ssl, old);
    SSL_SESSION_free(old);
}

static const char *get_string(lua_State *L, const char *name, size_t *length) {
    lua_getfield(L, 2, name);
    const char *value = lua_tolstring(L, -1, length);
    lua_pop(L, 1);
    return value;
}

static bool set_up_client(lua_State *L, Session *session, const Settings *settings) {
    size_t size = 0, identity_size = 0;
    const char *name = get_string(L, "name", NULL);
    const char *protocols = get_string(L, "protocols", &size);
    const char *identity = get_string(L, "identity", &identity_size);
    SSL_set_connect_state(session->ssl);
    if (name != NULL && !expect_name(session, name, settings->verifies)) return false;
    if (size > 0 &&
        SSL_set_alpn_protos(session->ssl, (const unsigned char *)protocols, (unsigned)size) != 0)
        return false;
    if (!SSL_set_session_id_context(session->ssl, (const unsigned char *)identity,
                                    (unsigned)identity_size))
        return false;
    const char *saved = get_string(L, "session", &size);
    if (saved != NULL) resume(session, saved, size, identity, identity_size);
    return true;
}

static bool set_up(lua_State *L, Session *session, SSL_CTX *context) {
    const Settings *settings = context_settings(context);
    session->ssl = SSL_new(context);
    BIO *wire = session->ssl != NULL ? wire_new(session) : NULL;
    if (wire == NULL) return false;
    SSL_set_bio(session->ssl, wire, wire);
    SSL_set_app_data(session->ssl, session);
    if (settings->server) {
        SSL_set_accept_state(session->ssl);
        return true;
    }
    return set_up_client(L, session, settings);
}

/*
** session(context, {name, protocols, identity, session}): the table, checked by
** the caller, is for a client: whom it expects, and what it offers.
*/
static int session_new(lua_State *L) {
    SSL_CTX *context = context_check(L, 1);
    Session *session = lua_newuserdatauv(L, sizeof *session, 0);
    memset(session, 0, sizeof *session);
    session->transport = &tls_transport;
    luaL_setmetatable(L, session_name);
    ERR_clear_error();
    if (!set_up(L, session, context)) return luaL_error(L, "not enough memory");
    ERR_clear_error();
    return 1;
}

static bool may_say_goodbye(const Session *session) {
    return session->failed == 0 && !session->is_cut && !session->holds &&
           SSL_is_init_finished(session->ssl);
}

/* A close does not wait: where the kernel's buffer is full, it is asked for room. */
static void say_goodbye(Session *session) {
    enum { ATTEMPTS = 100 }; /* the kernel may take less than all of it at once */
    for (int i = 0; i < ATTEMPTS; i++) {
        int result = SSL_shutdown(session->ssl);
        if (result >= 0 || SSL_get_error(session->ssl, result) != SSL_ERROR_WANT_WRITE) return;
        if (i == 0) wire_make_room(session->fd);
    }
}

void session_close(Session *session, bool clean) {
    if (session->ssl == NULL) return;
    if (clean && may_say_goodbye(session)) say_goodbye(session);
    ERR_clear_error();
    SSL_free(session->ssl);
    free(session->reason);
    free(session->peer_name);
    free(session->asked_name);
    session->ssl = NULL;
    session->reason = session->peer_name = session->asked_name = NULL;
}

/* The stream is collected with it, and was not closed before: the descriptor is still there. */
static int session_gc(lua_State *L) {
    session_close(lua_touserdata(L, 1), true);
    return 0;
}

static int info(lua_State *L) {
    return session_info(L, check(L));
}

static const luaL_Reg methods[] = {
    {"asked", asked},
    {"serve", serve},
    {"info", info},
    {NULL, NULL},
};

void session_open(lua_State *L) {
    luaL_newmetatable(L, session_name);
    lua_pushcfunction(L, session_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, session_new);
    lua_setfield(L, -2, "session");
}
