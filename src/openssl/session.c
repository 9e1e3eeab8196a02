/*
** Implements session.h.
*/
#include "openssl/session.h"

#include "openssl/error_text.h"

#include "base/error.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* False if there is no memory; never when it is done again. */
static bool session_bind(Session *session) {
    if (!SSL_set_app_data(session->ssl, session)) return false;
    record_budget_watch(&session->wire.budget, session->ssl);
    return true;
}

bool session_start(Session *session, SSL_CTX *context) {
    session->ssl = SSL_new(context);
    BIO *bio = session->ssl != NULL ? wire_new(&session->wire) : NULL;
    if (bio == NULL) return false;
    SSL_set_bio(session->ssl, bio, bio);
    if (!session_bind(session)) return false;
    return true;
}

const char *session_requested(const Session *session) {
    return session->requested != NULL ? session->requested : "";
}

void session_move(Session *to, Session *from) {
    *to = *from;
    from->ssl = NULL;
    from->reason = from->expected = from->requested = NULL;
    if (to->ssl == NULL) return;
    wire_move(SSL_get_rbio(to->ssl), &to->wire);
    session_bind(to);
}

/* --- failures --- */

void session_set_reason(Session *session, const char *words) {
    free(session->reason);
    session->reason = strdup(words);
}

static int session_fail_with(Session *session, int status, const char *words) {
    session_set_reason(session, words);
    ERR_clear_error();
    return session->failed = status;
}

static bool session_is_error(unsigned long error, int reason) {
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reason;
}

int session_fail(Session *session) {
    unsigned long error = ERR_peek_error();
    char words[ERROR_TEXT];
    if (record_budget_is_overrun(&session->wire.budget))
        return session_fail_with(session, ARSENAL_TLS, "the peer sends records without data");
    if (error == 0 && session->wire.status != 0) return session->wire.status;
    if (session->context == SESSION_CONTEXT_REFUSED)
        return session_fail_with(session, ARSENAL_TLS,
                                 "the name that the client asks for is refused");
    if (session_is_error(error, SSL_R_CERTIFICATE_VERIFY_FAILED) && session->reason != NULL) {
        ERR_clear_error(); /* the verification has set the reason */
        return session->failed = ARSENAL_CERT;
    }
    if (error == 0) return session_cut_off(session);
    bool missing = session_is_error(error, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
    error_text_of_failure(words);
    return session_fail_with(session, missing ? ARSENAL_CERT : ARSENAL_TLS, words);
}

int session_cut_off(Session *session) {
    ERR_clear_error();
    session_set_reason(session, SSL_is_init_finished(session->ssl)
                                    ? "cut off without close_notify"
                                    : "the peer went away during the handshake");
    return SSL_is_init_finished(session->ssl) ? ARSENAL_TRUNCATED : ARSENAL_TLS;
}

/* --- the end --- */

static bool session_may_notify(const Session *session) {
    return session->failed == 0 && !session->is_cut && !session->is_holding &&
           SSL_is_init_finished(session->ssl);
}

/* Sends close_notify without waiting: if the kernel's buffer is full, it is made larger. */
static void session_notify(Session *session) {
    enum { ATTEMPTS = 100 }; /* the kernel may accept a part only */
    for (int i = 0; i < ATTEMPTS; i++) {
        int result = SSL_shutdown(session->ssl);
        if (result >= 0 || SSL_get_error(session->ssl, result) != SSL_ERROR_WANT_WRITE) return;
        if (i == 0) wire_make_room(&session->wire);
    }
}

void session_close(Session *session, bool clean) {
    if (session->ssl == NULL) return;
    if (clean && session_may_notify(session)) session_notify(session);
    ERR_clear_error();
    SSL_free(session->ssl);
    free(session->reason);
    free(session->expected);
    free(session->requested);
    session->ssl = NULL;
    session->reason = session->expected = session->requested = NULL;
}
