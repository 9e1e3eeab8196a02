/*
** Implements handshake.h.
*/
#include "openssl/handshake.h"

#include "openssl/error_text.h"
#include "openssl/server_name.h"
#include "openssl/settings.h"

#include "base/error.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
    TICKETS = 2, /* so that a client can resume in two connections at the same time */
    NAME_FLAGS = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
};

/* --- the peer's certificate --- */

bool handshake_expect(Session *session, const char *name, bool verifies) {
    X509_VERIFY_PARAM *param = SSL_get0_param(session->ssl);
    unsigned char address[ADDRESS_SIZE];
    size_t size = server_name_address(name, address);
    /* RFC 6066, section 3: an address is not sent as a server name */
    if (size == 0 && !SSL_set_tlsext_host_name(session->ssl, name)) return false;
    if (!verifies) return true;
    X509_VERIFY_PARAM_set_hostflags(param, NAME_FLAGS);
    bool done = size > 0 ? X509_VERIFY_PARAM_set1_ip(param, address, size)
                         : X509_VERIFY_PARAM_set1_host(param, name, 0);
    session->expected = strdup(name);
    return done && session->expected != NULL;
}

static bool handshake_is_name_error(int error) {
    return error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

/* Sets the reason why the certificate, which may be NULL, is refused. */
static void handshake_refuse(Session *session, int error, X509 *certificate) {
    char about[ERROR_TEXT] = "", words[2 * ERROR_TEXT];
    if (handshake_is_name_error(error) && certificate != NULL && session->expected != NULL) {
        error_text_of_names(certificate, about);
        BIO_snprintf(words, sizeof words, "certificate refused: it is for %s, not for %s", about,
                     session->expected);
    } else if (certificate == NULL) {
        BIO_snprintf(words, sizeof words, "the server sent no certificate");
    } else {
        error_text_of_subject(certificate, about);
        BIO_snprintf(words, sizeof words, "certificate refused: %s: %s",
                     X509_verify_cert_error_string(error), about);
    }
    session_set_reason(session, words);
}

int handshake_verified(int ok, X509_STORE_CTX *store) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    if (!ok)
        handshake_refuse(SSL_get_app_data(ssl), X509_STORE_CTX_get_error(store),
                         X509_STORE_CTX_get_current_cert(store));
    return ok;
}

static bool handshake_is_valid_for(X509 *certificate, const char *name) {
    unsigned char address[ADDRESS_SIZE];
    size_t size = server_name_address(name, address);
    return size > 0 ? X509_check_ip(certificate, address, size, 0) == 1
                    : X509_check_host(certificate, name, 0, NAME_FLAGS, NULL) == 1;
}

/*
** Checks that a client which verifies has a certificate that is good: OpenSSL verifies
** nothing in a resumed handshake, and no certificate is not an error to it.
*/
static int handshake_check_server(Session *session) {
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    long error = SSL_get_verify_result(session->ssl);
    if (certificate == NULL)
        error = X509_V_ERR_UNSPECIFIED;
    else if (error == X509_V_OK && !handshake_is_valid_for(certificate, session->expected))
        error = X509_V_ERR_HOSTNAME_MISMATCH;
    if (error == X509_V_OK) return 0;
    handshake_refuse(session, (int)error, certificate);
    return session->failed = ARSENAL_CERT;
}

int handshake_done(Session *session) {
    record_budget_take_handshake(&session->wire.budget);
    if (session->expected != NULL) return handshake_check_server(session);
    if (SSL_is_server(session->ssl) && SSL_version(session->ssl) == TLS1_3_VERSION)
        session->tickets = SSL_session_reused(session->ssl) ? 1 : TICKETS;
    return 0;
}

/* --- what a client says in its hello --- */

/*
** Sets session->requested to the name in the extension: RFC 6066, section 3. False if
** it has anything but one host name.
*/
static bool handshake_set_requested(Session *session, const unsigned char *data, size_t size) {
    enum { HEADER = 5 }; /* the size of the list, the type of its only entry, the name's size */
    char name[SERVER_NAME_SIZE];
    if (size < HEADER || data[2] != TLSEXT_NAMETYPE_host_name) return false;
    size_t list = (size_t)data[0] << 8 | data[1], length = (size_t)data[3] << 8 | data[4];
    if (list != size - 2 || length != size - HEADER ||
        !server_name_clean((const char *)data + HEADER, length, name))
        return false;
    session->requested = strdup(name);
    return session->requested != NULL;
}

/* Reads the name that the client asks for, and binds tickets to it. */
static bool handshake_read_hello(SSL *ssl, Session *session, const Settings *settings) {
    unsigned char identity[IDENTITY_SIZE];
    const unsigned char *data;
    size_t size;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) &&
        !handshake_set_requested(session, data, size))
        return false;
    return settings_bind(settings, ssl, session_requested(session), identity);
}

int handshake_greeted(SSL *ssl, int *alert, void *argument) {
    Session *session = SSL_get_app_data(ssl);
    const Settings *settings = argument;
    if (session->context == SESSION_CONTEXT_OPEN && !handshake_read_hello(ssl, session, settings))
        session->context = SESSION_CONTEXT_REFUSED;
    else if (session->context == SESSION_CONTEXT_OPEN)
        session->context = settings->asks ? SESSION_CONTEXT_ASKED : SESSION_CONTEXT_CHOSEN;
    if (session->context == SESSION_CONTEXT_CHOSEN) return SSL_CLIENT_HELLO_SUCCESS;
    if (session->context == SESSION_CONTEXT_ASKED) return SSL_CLIENT_HELLO_RETRY;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
}
