/* An echo server in plain C on libuv's streams, as fast as they go: one shared read buffer,
** uv_try_write, and uv_write for what the kernel did not take, during which the connection is
** not read. What all others are compared with. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { BUFFER = 64 * 1024 };

struct rest {
    uv_write_t request;
    char data[];
};

static uv_loop_t *loop;
static char buffer[BUFFER];

static void alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)handle, (void)suggested;
    *out = uv_buf_init(buffer, sizeof buffer);
}

static void closed(uv_handle_t *handle) {
    free(handle);
}

static void connection_close(uv_stream_t *stream) {
    if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, closed);
}

static void read_done(uv_stream_t *stream, ssize_t got, const uv_buf_t *data);

static void rest_written(uv_write_t *request, int status) {
    if (status == 0)
        uv_read_start(request->handle, alloc, read_done);
    else
        connection_close(request->handle);
    free(request->data);
}

static void write_rest(uv_stream_t *stream, const char *data, size_t n) {
    struct rest *rest = malloc(sizeof *rest + n);
    uv_buf_t part = uv_buf_init(rest->data, (unsigned)n);
    memcpy(rest->data, data, n);
    rest->request.data = rest;
    uv_read_stop(stream);
    uv_write(&rest->request, stream, &part, 1, rest_written);
}

static void read_done(uv_stream_t *stream, ssize_t got, const uv_buf_t *data) {
    if (got == 0) return;
    uv_buf_t part = uv_buf_init(data->base, got > 0 ? (unsigned)got : 0);
    int sent = got > 0 ? uv_try_write(stream, &part, 1) : (int)got;
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0)
        connection_close(stream);
    else if (sent < got)
        write_rest(stream, data->base + sent, (size_t)(got - sent));
}

static void client_arrived(uv_stream_t *listener, int status) {
    if (status < 0) return;
    uv_tcp_t *client = malloc(sizeof *client);
    uv_tcp_init(loop, client);
    if (uv_accept(listener, (uv_stream_t *)client) != 0) {
        connection_close((uv_stream_t *)client);
        return;
    }
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, alloc, read_done);
}

int main(void) {
    static uv_tcp_t listener;
    struct sockaddr_in address;
    int length = sizeof address;
    loop = uv_default_loop();
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(loop, &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) ||
        uv_listen((uv_stream_t *)&listener, 511, client_arrived))
        return 1;
    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
