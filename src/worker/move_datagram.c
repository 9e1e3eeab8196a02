/*
** Owns how datagram sockets cross: with the datagrams that were not received.
*/
#include "base/openers.h"

#include "base/error.h"
#include "net/datagram.h"
#include "system/socket.h"
#include "worker/crossing.h"

#include <stdlib.h>

typedef struct DatagramCargo {
    const DatagramKind *kind;
    int family, fd;
    uint64_t recv_timeout, send_timeout;
    Buffer queue;
    UnixSocketFile *file;
    uint64_t received, sent, dropped;
} DatagramCargo;

static int move_datagram_prepare(lua_State *L, int index, void **cargo) {
    const DatagramSocket *udp = lua_touserdata(L, index);
    if (!handle_is_ours(&udp->socket.handle)) return ARSENAL_CLOSED;
    if (!wait_queue_is_empty(&udp->socket.poller.waiters)) return ARSENAL_BUSY;
    DatagramCargo *moved = calloc(1, sizeof *moved);
    if (moved == NULL) return UV_ENOMEM;
    moved->fd = -1;
    moved->kind = udp->kind;
    moved->family = udp->family;
    *cargo = moved;
    return 0;
}

static void move_datagram_depart(void *object, void *cargo) {
    DatagramSocket *udp = object;
    DatagramCargo *moved = cargo;
    moved->recv_timeout = udp->socket.recv_timeout;
    moved->send_timeout = udp->socket.send_timeout;
    moved->queue = udp->queue;
    moved->received = udp->received;
    moved->sent = udp->sent;
    moved->dropped = udp->dropped;
    moved->file = udp->file;
    udp->queue = (Buffer){NULL};
    udp->file = NULL;
    moved->fd = socket_handle_release(&udp->socket);
    handle_leave(&udp->socket.handle);
}

static void move_datagram_make(lua_State *L, const void *cargo) {
    const DatagramCargo *moved = cargo;
    datagram_new(L, moved->kind, moved->family);
}

static void move_datagram_arrive(lua_State *L, int index, void *cargo) {
    DatagramSocket *udp = lua_touserdata(L, index);
    DatagramCargo *moved = cargo;
    udp->socket.recv_timeout = moved->recv_timeout;
    udp->socket.send_timeout = moved->send_timeout;
    udp->queue = moved->queue;
    udp->received = moved->received;
    udp->sent = moved->sent;
    udp->dropped = moved->dropped;
    udp->file = moved->file;
    datagram_adopt(udp, moved->fd);
    free(moved);
}

static void move_datagram_discard(void *cargo) {
    DatagramCargo *moved = cargo;
    if (moved->file != NULL) unix_socket_file_remove(moved->file);
    if (moved->fd >= 0) socket_close(moved->fd);
    buffer_free(&moved->queue);
    free(moved);
}

static const Crossing datagram_crossing = {
    .prepare = move_datagram_prepare,
    .depart = move_datagram_depart,
    .make = move_datagram_make,
    .arrive = move_datagram_arrive,
    .discard = move_datagram_discard,
};

void move_datagram_open(lua_State *L) {
    for (int type = 0; type < DATAGRAM_TYPES; type++) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &datagram_types[type]);
        crossing_attach(L, &datagram_crossing);
        lua_pop(L, 1);
    }
}
