/*
** The baseline: plain C on OpenSSL and epoll, one thread, as a careful
** programmer writes it. What a client's first byte asks for, it does until the
** client closes: 'S' sends, 'R' receives, anything else nothing.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 16384, TURN = 32 };

typedef struct Connection {
    SSL *ssl;
    int fd;
    char mode; /* 0 before the first byte */
} Connection;

static char chunk[CHUNK], sink[CHUNK];

static void drop(Connection *connection) {
    if (SSL_is_init_finished(connection->ssl)) SSL_shutdown(connection->ssl);
    SSL_free(connection->ssl);
    close(connection->fd);
    free(connection);
    ERR_clear_error();
}

/* Returns false once the connection is to be dropped. */
static int heed(Connection *connection, int result) {
    int error = SSL_get_error(connection->ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static int serve(Connection *connection) {
    SSL *ssl = connection->ssl;
    ERR_clear_error();
    if (!SSL_is_init_finished(ssl)) {
        int result = SSL_do_handshake(ssl);
        if (result != 1) return heed(connection, result);
    }
    for (;;) {
        int result =
            connection->mode == 'S' ? SSL_write(ssl, chunk, CHUNK) : SSL_read(ssl, sink, CHUNK);
        if (result <= 0) return heed(connection, result);
        if (connection->mode == 0) connection->mode = sink[0];
    }
}

static void greet(int epoll, int listener, SSL_CTX *context) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        Connection *connection = calloc(1, sizeof *connection);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = connection};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        connection->fd = fd;
        connection->ssl = SSL_new(context);
        SSL_set_fd(connection->ssl, fd);
        SSL_set_accept_state(connection->ssl);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static SSL_CTX *make_context(const char *cert, const char *key, const char *version) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int number = strcmp(version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX_set_min_proto_version(context, number);
    SSL_CTX_set_max_proto_version(context, number);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    return context;
}

static int listen_anywhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 511) != 0) exit(1);
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    struct epoll_event events[TURN], event = {.events = EPOLLIN};
    if (argc != 4) return 2;
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = make_context(argv[1], argv[2], argv[3]);
    int listener = listen_anywhere(), epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, TURN, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                greet(epoll, listener, context);
            else if (!serve(events[i].data.ptr))
                drop(events[i].data.ptr);
        }
    }
}
