/*
** Implements handshake.h.
*/
#include "openssl/handshake.h"

#include "openssl/error_text.h"

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
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
    bool is_address = address != NULL, done;
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    /* RFC 6066, section 3: an address is not sent as a server name */
    if (!is_address && !SSL_set_tlsext_host_name(session->ssl, name)) return false;
    if (!verifies) return true;
    X509_VERIFY_PARAM_set_hostflags(param, NAME_FLAGS);
    done = is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, name)
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
    } else {
        if (certificate != NULL) error_text_of_subject(certificate, about);
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
    return X509_check_ip_asc(certificate, name, 0) == 1 ||
           X509_check_host(certificate, name, 0, NAME_FLAGS, NULL) == 1;
}

/* Checks what the first handshake verified, because OpenSSL verifies nothing in a resumed one. */
static int handshake_check_resumed(Session *session) {
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
    bool resumed = SSL_session_reused(session->ssl);
    record_budget_take_handshake(&session->wire.budget);
    if (session->expected != NULL && resumed) return handshake_check_resumed(session);
    if (SSL_is_server(session->ssl) && SSL_version(session->ssl) == TLS1_3_VERSION)
        session->tickets = resumed ? 1 : TICKETS;
    return 0;
}

/* --- the context that serves a client --- */

/* Copies the host name out of the extension's data: RFC 6066, section 3. */
static char *handshake_copy_name(const unsigned char *data, size_t size) {
    size_t length =
        size >= 5 && data[2] == TLSEXT_NAMETYPE_host_name ? (size_t)data[3] << 8 | data[4] : 0;
    return length + 5 <= size ? strndup((const char *)data + 5, length) : strdup("");
}

int handshake_greeted(SSL *ssl, int *alert, void *argument) {
    Session *session = SSL_get_app_data(ssl);
    const unsigned char *data = NULL;
    size_t size = 0;
    (void)argument;
    if (session->context == SESSION_CONTEXT_REFUSED) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (session->context == SESSION_CONTEXT_CHOSEN) return SSL_CLIENT_HELLO_SUCCESS;
    if (session->context == SESSION_CONTEXT_OPEN) {
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size);
        session->requested = handshake_copy_name(data, size);
        session->context = SESSION_CONTEXT_ASKED;
    }
    return SSL_CLIENT_HELLO_RETRY;
}
