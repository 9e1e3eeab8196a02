/*
** Owns how UDP sockets receive: several datagrams with one system call. Those
** beyond the first wait in the socket's queue, at most RECV_BATCH_MOST - 1.
*/
#include "net/datagram.h"

#include "base/error.h"
#include "system/recv_batch.h"

#include <stdlib.h>
#include <string.h>

/* What stands before each datagram in the queue. */
typedef struct QueueHeader {
    size_t size;
    Address from;
} QueueHeader;

/* [-0, +1] the host of `from`: the same string as before if it is the same host as before */
static void udp_push_host(lua_State *L, DatagramSocket *udp, const Address *from) {
    bool is_known = address_same_host(from, &udp->known);
    if (is_known && lua_getiuservalue(L, DATAGRAM_SELF, 1) == LUA_TSTRING) return;
    address_push_host(L, from);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, DATAGRAM_SELF, 1);
    udp->known = *from;
}

static int udp_refuse_oversized(lua_State *L, DatagramSocket *udp, const DatagramCall *call,
                                const char *data, size_t size, const Address *from) {
    size_t most = args_size(L, DATAGRAM_MOST);
    datagram_refuse_oversized(L, udp, call, size, most);
    lua_pushlstring(L, data, most);
    udp_push_host(L, udp, from);
    lua_pushinteger(L, address_port(from));
    return 6;
}

static int udp_return(lua_State *L, DatagramSocket *udp, const DatagramCall *call, const char *data,
                      size_t size, const Address *from) {
    if (size > args_size(L, DATAGRAM_MOST))
        return udp_refuse_oversized(L, udp, call, data, size, from);
    lua_pushlstring(L, data, size);
    if (!call->addressed) return 1;
    udp_push_host(L, udp, from);
    lua_pushinteger(L, address_port(from));
    return 3;
}

static int udp_receive_kept(lua_State *L, DatagramSocket *udp, const DatagramCall *call) {
    QueueHeader header;
    memcpy(&header, buffer_data(&udp->queue), sizeof header);
    const char *data = buffer_data(&udp->queue) + sizeof header;
    int results = udp_return(L, udp, call, data, header.size, &header.from);
    buffer_drop(&udp->queue, sizeof header + header.size);
    return results;
}

static void udp_keep(DatagramSocket *udp, const char *data, size_t size, const Address *from) {
    QueueHeader header = {.size = size, .from = *from};
    char *room = buffer_reserve(&udp->queue, sizeof header + size);
    if (room == NULL) {
        udp->dropped++;
        return;
    }
    memcpy(room, &header, sizeof header);
    memcpy(room + sizeof header, data, size);
    buffer_added(&udp->queue, sizeof header + size);
}

/* What all sockets of the loop receive into, made when the first one does. */
typedef struct BatchPart {
    LoopPart part;
    RecvBatch *batch;
} BatchPart;

static const char batch_key;

static void udp_close_batch(LoopPart *part, Loop *loop) {
    (void)loop;
    free(container_of(part, BatchPart, part)->batch);
    free(part);
}

static RecvBatch *udp_batch(Loop *loop) {
    BatchPart *part = loop_need_part(loop, &batch_key, sizeof *part, udp_close_batch);
    if (part == NULL) return NULL;
    if (part->batch == NULL) part->batch = recv_batch_new();
    return part->batch;
}

static int udp_receive_new(lua_State *L, DatagramSocket *udp, const DatagramCall *call) {
    bool drained;
    size_t size;
    Address from;
    RecvBatch *batch = udp_batch(udp->socket.handle.loop);
    if (batch == NULL) return luaL_error(L, "not enough memory");
    int count = recv_batch_receive(batch, udp->socket.poller.fd, &drained);
    if (drained) datagram_exhausted(udp, POLL_READ);
    if (count < 0) return count == UV_EAGAIN ? 0 : datagram_fail(L, udp, call, count);
    udp->received += (unsigned)count;
    for (int i = 1; i < count; i++) {
        const char *data = recv_batch_datagram(batch, i, &size, &from);
        udp_keep(udp, data, size, &from);
    }
    const char *data = recv_batch_datagram(batch, 0, &size, &from);
    return udp_return(L, udp, call, data, size, &from);
}

static int udp_receive(lua_State *L, DatagramSocket *udp, const DatagramCall *call) {
    return buffer_length(&udp->queue) > 0 ? udp_receive_kept(L, udp, call)
                                          : udp_receive_new(L, udp, call);
}

const DatagramKind udp_kind = {DATAGRAM_UDP, udp_receive, RECV_BATCH_DATAGRAM};
