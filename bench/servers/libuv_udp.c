/* A UDP echo server in plain C on libuv: uv_udp_try_send, and uv_udp_send for what the kernel
** did not take. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { BUFFER = 64 * 1024 };

struct late {
    uv_udp_send_t request;
    char data[];
};

static char buffer[BUFFER];

static void alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)handle, (void)suggested;
    *out = uv_buf_init(buffer, sizeof buffer);
}

static void sent(uv_udp_send_t *request, int status) {
    (void)status;
    free(request->data);
}

static void send_late(uv_udp_t *socket, const char *data, size_t n, const struct sockaddr *to) {
    struct late *late = malloc(sizeof *late + n);
    uv_buf_t part = uv_buf_init(late->data, (unsigned)n);
    memcpy(late->data, data, n);
    late->request.data = late;
    uv_udp_send(&late->request, socket, &part, 1, to, sent);
}

static void received(uv_udp_t *socket, ssize_t got, const uv_buf_t *data,
                     const struct sockaddr *from, unsigned flags) {
    (void)flags;
    if (got < 0 || from == NULL) return;
    uv_buf_t part = uv_buf_init(data->base, (unsigned)got);
    if (uv_udp_try_send(socket, &part, 1, from) < 0)
        send_late(socket, data->base, (size_t)got, from);
}

int main(void) {
    static uv_udp_t socket;
    struct sockaddr_in address;
    int length = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_udp_init(uv_default_loop(), &socket);
    if (uv_udp_bind(&socket, (struct sockaddr *)&address, 0)) return 1;
    uv_udp_getsockname(&socket, (struct sockaddr *)&address, &length);
    uv_udp_recv_start(&socket, alloc, received);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
