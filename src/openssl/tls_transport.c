/*
** Implements tls_transport.h. OpenSSL's error queue is empty before each of its
** calls and after each failure, so that no connection sees another's errors.
*/
#include "openssl/tls_transport.h"

#include "openssl/handshake.h"
#include "openssl/session.h"

#include "base/error.h"

#include <openssl/err.h>
#include <string.h>

enum { RECORD = SSL3_RT_MAX_PLAIN_LENGTH };

/* Prepares the session for a call; what an earlier call found in the socket may have changed. */
static Session *tls_enter(void *state, int fd) {
    Session *session = state;
    session->wire.plain = session->head.plain;
    session->wire.fd = fd;
    session->wire.status = 0;
    session->wire.short_read = false;
    ERR_clear_error();
    return session;
}

/* Returns the answer of a whole call. If the stream waits after it, other tasks have their turn. */
static ptrdiff_t tls_return(Session *session, ptrdiff_t answer) {
    if (transport_wants(answer) || answer == TRANSPORT_AGAIN)
        record_budget_renew(&session->wire.budget);
    return answer;
}

/* Translates the result of an OpenSSL call that has not succeeded into the transport's answer. */
static ptrdiff_t tls_answer(Session *session, int result) {
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return record_budget_is_spent(&session->wire.budget) ? TRANSPORT_AGAIN
                                                             : TRANSPORT_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        if (record_budget_is_overrun(&session->wire.budget)) return session_fail(session);
        return session->wire.ended ? session_cut_off(session) : 0;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
        return TRANSPORT_ASKS;
    default:
        return session_fail(session);
    }
}

static ptrdiff_t tls_handshake(void *state, int fd) {
    Session *session = tls_enter(state, fd);
    if (session->failed != 0) return session->failed;
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) return handshake_done(session);
    ptrdiff_t status = tls_answer(session, result);
    return status == 0 ? session_cut_off(session) : tls_return(session, status);
}

/*
** OpenSSL returns one record per call: this reads as many as are there and fit,
** until the budget is spent; then the next call answers TRANSPORT_AGAIN.
*/
static ptrdiff_t tls_read(void *state, int fd, char *data, size_t size) {
    Session *session = tls_enter(state, fd);
    size_t total = 0, count;
    if (session->failed != 0) return session->failed;
    if (record_budget_is_spent(&session->wire.budget)) return tls_return(session, TRANSPORT_AGAIN);
    do {
        int result = SSL_read_ex(session->ssl, data + total, size - total, &count);
        if (result != 1) {
            ptrdiff_t status = tls_answer(session, result);
            if (total == 0) return tls_return(session, status);
            if (session->wire.status != 0) session->failed = session->wire.status;
            if (status != TRANSPORT_WANTS_READ)
                session->wire.short_read = false; /* the next read reports the status */
            return (ptrdiff_t)total;
        }
        total += count;
        record_budget_take_data(&session->wire.budget, session->ssl, count);
    } while (total < size && SSL_has_pending(session->ssl) &&
             !record_budget_is_spent(&session->wire.budget));
    return (ptrdiff_t)total;
}

/* True if neither OpenSSL nor the kernel had more bytes. */
static bool tls_is_empty(void *state) {
    const Session *session = state;
    return session->wire.short_read && !SSL_has_pending(session->ssl);
}

/*
** Returns the bytes of the next record, and their count in *size: as much of the
** first part as fits, or `copy`, filled from several short parts. With the same parts
** it returns the same bytes, which OpenSSL demands after WANTS_WRITE.
*/
static const char *tls_next_record(const uv_buf_t *parts, unsigned count, char copy[RECORD],
                                   size_t *size) {
    size_t used = 0;
    if (count == 1 || parts[0].len >= RECORD) {
        *size = parts[0].len < RECORD ? parts[0].len : RECORD;
        return parts[0].base;
    }
    for (unsigned i = 0; i < count && used < RECORD; i++) {
        size_t room = RECORD - used, length = parts[i].len < room ? parts[i].len : room;
        memcpy(copy + used, parts[i].base, length);
        used += length;
    }
    *size = used;
    return copy;
}

/*
** A server sends its tickets with its first write, not at the end of the handshake.
** A client that has sent everything and closed would answer them with a reset, and
** the reset could overtake what the client has sent.
*/
static void tls_add_tickets(Session *session) {
    for (; session->tickets > 0; session->tickets--)
        SSL_new_session_ticket(session->ssl);
    ERR_clear_error();
}

static ptrdiff_t tls_write(void *state, int fd, const uv_buf_t *parts, unsigned count) {
    Session *session = tls_enter(state, fd);
    char copy[RECORD];
    size_t size, written;
    if (session->failed != 0) return session->failed;
    if (session->tickets > 0) tls_add_tickets(session);
    const char *data = tls_next_record(parts, count, copy, &size);
    int result = SSL_write_ex(session->ssl, data, size, &written);
    session->is_holding = result != 1 && !SSL_in_init(session->ssl);
    if (result == 1) return (ptrdiff_t)written;
    ptrdiff_t status = tls_answer(session, result);
    return status == 0 ? UV_EPIPE : tls_return(session, status);
}

static bool tls_holds(void *state) {
    return ((Session *)state)->is_holding;
}

/* As with a plain socket, it is no failure if the peer has closed the connection already. */
static ptrdiff_t tls_end(void *state, int fd) {
    Session *session = tls_enter(state, fd);
    if (session->failed != 0) return session->failed;
    if (SSL_in_init(session->ssl)) { /* in the middle of a message that follows the handshake */
        int result = SSL_do_handshake(session->ssl);
        if (result != 1) return tls_return(session, tls_answer(session, result));
    }
    int result = SSL_shutdown(session->ssl);
    ptrdiff_t status = result >= 0 ? 0 : tls_answer(session, result);
    return status == UV_EPIPE || status == UV_ECONNRESET ? 0 : status;
}

static void tls_cut(void *state, int fd) {
    Session *session = tls_enter(state, fd);
    session->is_cut = true;
    wire_end(&session->wire);
}

static void tls_close(void *state, int fd, bool clean) {
    session_close(tls_enter(state, fd), clean);
}

static const char *tls_reason(void *state, int status) {
    bool is_ours = status == ARSENAL_TLS || status == ARSENAL_CERT || status == ARSENAL_TRUNCATED;
    return is_ours ? ((Session *)state)->reason : NULL;
}

static void tls_move(void *to, void *from) {
    ERR_clear_error();
    session_move(to, from);
}

static const TransportCarrier tls_carrier = {
    .module = "arsenal.openssl",
    .metatable = SESSION_METATABLE,
    .size = sizeof(Session),
    .move = tls_move,
};

const Transport tls_transport = {
    .handshake = tls_handshake,
    .read = tls_read,
    .write = tls_write,
    .holds = tls_holds,
    .end = tls_end,
    .cut = tls_cut,
    .close = tls_close,
    .reason = tls_reason,
    .is_empty = tls_is_empty,
    .carrier = &tls_carrier,
};
