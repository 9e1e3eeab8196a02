/* A TCP relay in plain C on libuv's streams: each client is joined with a connection of its own
** to the given port, both ways, with half-close. What the kernel does not take at once goes into
** uv_write, during which the other side is not read. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { BUFFER = 64 * 1024 };

struct side {
    uv_tcp_t tcp; /* first, so that a handle is its side */
    struct side *peer;
    struct pair *pair;
    uv_shutdown_t shutdown;
    int ended;
};

struct pair {
    struct side client, backend;
    uv_connect_t connect;
    int open; /* handles not yet closed */
};

struct rest {
    uv_write_t request;
    char data[];
};

static struct sockaddr_in backend_address;
static char buffer[BUFFER];

static void alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)handle, (void)suggested;
    *out = uv_buf_init(buffer, sizeof buffer);
}

static void side_closed(uv_handle_t *handle) {
    struct pair *pair = ((struct side *)handle)->pair;
    if (--pair->open == 0) free(pair);
}

static void pair_close(struct pair *pair) {
    if (uv_is_closing((uv_handle_t *)&pair->client)) return;
    uv_close((uv_handle_t *)&pair->client, side_closed);
    uv_close((uv_handle_t *)&pair->backend, side_closed);
}

static void read_done(uv_stream_t *stream, ssize_t got, const uv_buf_t *data);

static void rest_written(uv_write_t *request, int status) {
    struct side *to = (struct side *)request->handle;
    if (status == 0)
        uv_read_start((uv_stream_t *)to->peer, alloc, read_done);
    else
        pair_close(to->pair);
    free(request->data);
}

static void write_rest(struct side *from, const char *data, size_t n) {
    struct rest *rest = malloc(sizeof *rest + n);
    uv_buf_t part = uv_buf_init(rest->data, (unsigned)n);
    memcpy(rest->data, data, n);
    rest->request.data = rest;
    uv_read_stop((uv_stream_t *)from);
    uv_write(&rest->request, (uv_stream_t *)from->peer, &part, 1, rest_written);
}

static void shut(uv_shutdown_t *request, int status) {
    struct side *to = (struct side *)request->handle;
    if (status != 0 || to->ended) pair_close(to->pair);
}

static void side_end(struct side *from) {
    from->ended = 1;
    uv_read_stop((uv_stream_t *)from);
    uv_shutdown(&from->peer->shutdown, (uv_stream_t *)from->peer, shut);
}

static void read_done(uv_stream_t *stream, ssize_t got, const uv_buf_t *data) {
    struct side *from = (struct side *)stream;
    if (got == UV_EOF) {
        side_end(from);
        return;
    }
    uv_buf_t part = uv_buf_init(data->base, got > 0 ? (unsigned)got : 0);
    int sent = got > 0 ? uv_try_write((uv_stream_t *)from->peer, &part, 1) : (int)got;
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0)
        pair_close(from->pair);
    else if (sent < got)
        write_rest(from, data->base + sent, (size_t)(got - sent));
}

static void connected(uv_connect_t *request, int status) {
    struct pair *pair = request->data;
    if (status != 0) {
        pair_close(pair);
        return;
    }
    uv_tcp_nodelay(&pair->client.tcp, 1);
    uv_tcp_nodelay(&pair->backend.tcp, 1);
    uv_read_start((uv_stream_t *)&pair->client, alloc, read_done);
    uv_read_start((uv_stream_t *)&pair->backend, alloc, read_done);
}

static void client_arrived(uv_stream_t *listener, int status) {
    if (status < 0) return;
    struct pair *pair = calloc(1, sizeof *pair);
    pair->open = 2;
    pair->client.pair = pair->backend.pair = pair;
    pair->client.peer = &pair->backend;
    pair->backend.peer = &pair->client;
    uv_tcp_init(listener->loop, &pair->client.tcp);
    uv_tcp_init(listener->loop, &pair->backend.tcp);
    pair->connect.data = pair;
    if (uv_accept(listener, (uv_stream_t *)&pair->client) != 0 ||
        uv_tcp_connect(&pair->connect, &pair->backend.tcp, (struct sockaddr *)&backend_address,
                       connected) != 0)
        pair_close(pair);
}

int main(int argc, char **argv) {
    static uv_tcp_t listener;
    struct sockaddr_in address;
    int length = sizeof address;
    if (argc != 2) return 2;
    uv_ip4_addr("127.0.0.1", atoi(argv[1]), &backend_address);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(uv_default_loop(), &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) ||
        uv_listen((uv_stream_t *)&listener, 511, client_arrived))
        return 1;
    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
