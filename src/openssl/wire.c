/*
** Owns every system call that TLS makes on a descriptor.
*/
#include "base/platform.h"

#include "openssl/wire.h"

#include <errno.h>
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static int would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK;
}

static int wire_read(BIO *bio, char *data, int size) {
    Session *session = BIO_get_data(bio);
    ssize_t count;
    do {
        count = recv(session->fd, data, (size_t)size, 0);
    } while (count < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    session->short_read = count < size;
    session->error = count < 0 ? errno : 0;
    if (count == 0) session->ended = true;
    if (count < 0 && would_block(errno)) BIO_set_retry_read(bio);
    return (int)count;
}

static int wire_write(BIO *bio, const char *data, int size) {
    Session *session = BIO_get_data(bio);
    ssize_t count;
    do {
        count = send(session->fd, data, (size_t)size, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    session->error = count < 0 ? errno : 0;
    if (count < 0 && would_block(errno)) BIO_set_retry_write(bio);
    return (int)count;
}

static long wire_control(BIO *bio, int command, long number, void *pointer) {
    const Session *session = BIO_get_data(bio);
    (void)number, (void)pointer;
    if (command == BIO_CTRL_EOF) return session->ended;
    return command == BIO_CTRL_FLUSH;
}

void wire_end(int fd) {
    shutdown(fd, SHUT_WR);
}

void wire_make_room(int fd) {
    int size = 0;
    socklen_t length = sizeof size;
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
                   length); /* Linux takes twice of what it is told */
}

/* Made by the first session, for the whole process. */
static BIO_METHOD *method;
static CRYPTO_ONCE method_once = CRYPTO_ONCE_STATIC_INIT;

static void make_method(void) {
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR,
                          "arsenal's descriptor");
    if (method == NULL) return;
    BIO_meth_set_read(method, wire_read);
    BIO_meth_set_write(method, wire_write);
    BIO_meth_set_ctrl(method, wire_control);
}

BIO *wire_new(Session *session) {
    if (!CRYPTO_THREAD_run_once(&method_once, make_method) || method == NULL) return NULL;
    BIO *bio = BIO_new(method);
    if (bio == NULL) return NULL;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    return bio;
}
