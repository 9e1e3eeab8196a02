/*
** The clients: blocking, one thread. `load PORT send|receive BYTES` moves that
** much; `load PORT handshakes COUNT` makes and closes connections one by one;
** `load PORT idle COUNT` keeps that many open until its input ends.
*/
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 16384 };

static SSL *reach(SSL_CTX *context, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SSL *ssl = SSL_new(context);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 || !SSL_set_fd(ssl, fd) ||
        SSL_connect(ssl) != 1) {
        perror("load: connect");
        exit(1);
    }
    return ssl;
}

static void leave(SSL *ssl) {
    int fd = SSL_get_fd(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static void move(SSL_CTX *context, int port, char mode, long long left) {
    static char data[CHUNK];
    SSL *ssl = reach(context, port);
    SSL_write(ssl, &mode, 1);
    while (left > 0) {
        int count = mode == 'S' ? SSL_read(ssl, data, CHUNK) : SSL_write(ssl, data, CHUNK);
        if (count <= 0) exit(1);
        left -= count;
    }
    leave(ssl);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int port = atoi(argv[1]);
    long long amount = atoll(argv[3]);
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (strcmp(argv[2], "send") == 0) { /* by the server */
        move(context, port, 'S', amount);
    } else if (strcmp(argv[2], "receive") == 0) {
        move(context, port, 'R', amount);
    } else if (strcmp(argv[2], "handshakes") == 0) {
        for (long long i = 0; i < amount; i++)
            leave(reach(context, port));
    } else {
        for (long long i = 0; i < amount; i++)
            reach(context, port);
        puts("open");
        fflush(stdout);
        getchar();
    }
    return 0;
}
