/*
** Owns the transport's functions: between the stream's bytes and OpenSSL's
** calls. Each empties OpenSSL's error queue before its call, and session_fail
** after a failure, so that no connection sees another's errors.
*/
#include "openssl/tls_transport.h"

#include "openssl/session.h"
#include "openssl/wire.h"

#include "base/error.h"

#include <openssl/err.h>
#include <string.h>

enum { RECORD = SSL3_RT_MAX_PLAIN_LENGTH };

static Session *enter(void *state, int fd) {
    Session *session = state;
    session->fd = fd;
    session->error = 0;
    session->short_read = false; /* what an earlier call found may have changed */
    ERR_clear_error();
    return session;
}

/* What a call of OpenSSL's that has not succeeded means to the stream. */
static ptrdiff_t answer(Session *session, int result) {
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TRANSPORT_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return session->ended ? session_cut_off(session) : 0;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
        return TRANSPORT_ASKS;
    default:
        return session_fail(session);
    }
}

static ptrdiff_t shake_hands(void *state, int fd) {
    Session *session = enter(state, fd);
    if (session->failed != 0) return session->failed;
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) return session_established(session);
    ptrdiff_t status = answer(session, result);
    return status == 0 ? session_cut_off(session) : status;
}

/* OpenSSL returns a record at a time: takes as many as there are, and fit. */
static ptrdiff_t read_records(void *state, int fd, char *data, size_t size) {
    Session *session = enter(state, fd);
    size_t total = 0, count;
    if (session->failed != 0) return session->failed;
    do {
        int result = SSL_read_ex(session->ssl, data + total, size - total, &count);
        if (result != 1) {
            ptrdiff_t status = answer(session, result);
            if (total == 0) return status;
            if (status != TRANSPORT_WANTS_READ)
                session->short_read = false; /* told by the next call */
            return (ptrdiff_t)total;
        }
        total += count;
    } while (total < size && SSL_has_pending(session->ssl));
    return (ptrdiff_t)total;
}

/* Nothing is left here, and there was nothing more in the kernel. */
static bool is_empty(void *state) {
    Session *session = state;
    return session->short_read && !SSL_has_pending(session->ssl);
}

/*
** What goes into the next record: the first part as far as it fits, or copies of
** several short ones. After WANTS_WRITE that is the same again.
*/
static const char *next_record(const uv_buf_t *parts, unsigned count, char copy[RECORD],
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
** A server's tickets go out with its first answer, not with the handshake: a
** client that has sent all it wants and is gone would answer them with a reset,
** and that could overtake what it has sent.
*/
static void add_tickets(Session *session) {
    for (; session->tickets > 0; session->tickets--)
        SSL_new_session_ticket(session->ssl);
    ERR_clear_error();
}

static ptrdiff_t write_record(void *state, int fd, const uv_buf_t *parts, unsigned count) {
    Session *session = enter(state, fd);
    char copy[RECORD];
    size_t size, written;
    if (session->failed != 0) return session->failed;
    if (session->tickets > 0) add_tickets(session);
    const char *data = next_record(parts, count, copy, &size);
    int result = SSL_write_ex(session->ssl, data, size, &written);
    session->holds = result != 1 && !SSL_in_init(session->ssl);
    if (result == 1) return (ptrdiff_t)written;
    ptrdiff_t status = answer(session, result);
    return status == 0 ? UV_EPIPE : status;
}

static bool holds(void *state) {
    return ((Session *)state)->holds;
}

/* Like a plain socket's: that the peer is gone already is no failure. */
static ptrdiff_t end(void *state, int fd) {
    Session *session = enter(state, fd);
    if (session->failed != 0) return session->failed;
    if (SSL_in_init(session->ssl)) { /* in the middle of a message that follows the handshake */
        int result = SSL_do_handshake(session->ssl);
        if (result != 1) return answer(session, result);
    }
    int result = SSL_shutdown(session->ssl);
    ptrdiff_t status = result >= 0 ? 0 : answer(session, result);
    return status == UV_EPIPE || status == UV_ECONNRESET ? 0 : status;
}

static void cut(void *state, int fd) {
    ((Session *)state)->is_cut = true;
    wire_end(fd);
}

static void close_session(void *state, int fd, bool clean) {
    Session *session = enter(state, fd);
    session_close(session, clean);
}

static const char *reason(void *state, int status) {
    return status == ARSENAL_TLS || status == ARSENAL_CERT ? ((Session *)state)->reason : NULL;
}

const Transport tls_transport = {
    .handshake = shake_hands,
    .read = read_records,
    .write = write_record,
    .holds = holds,
    .end = end,
    .cut = cut,
    .close = close_session,
    .reason = reason,
    .is_empty = is_empty,
};
