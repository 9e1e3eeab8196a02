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
    DatagramSocket held; /* only what move_datagram_copy copies */
} DatagramCargo;

/* Copies what goes along, except the descriptor. */
static void move_datagram_copy(DatagramSocket *to, const DatagramSocket *from) {
    to->socket.recv_timeout = from->socket.recv_timeout;
    to->socket.send_timeout = from->socket.send_timeout;
    to->queue = from->queue;
    to->received = from->received;
    to->sent = from->sent;
    to->dropped = from->dropped;
    to->file = from->file;
}

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
    move_datagram_copy(&moved->held, udp);
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
    move_datagram_copy(udp, &moved->held);
    datagram_adopt(udp, moved->fd);
    free(moved);
}

static void move_datagram_discard(void *cargo) {
    DatagramCargo *moved = cargo;
    if (moved->held.file != NULL) unix_socket_file_remove(moved->held.file);
    if (moved->fd >= 0) socket_close(moved->fd);
    buffer_free(&moved->held.queue);
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
