/*
** Datagrams: sockets that take and give whole messages.
*/
#ifndef ARSENAL_NET_DATAGRAM_H
#define ARSENAL_NET_DATAGRAM_H

#include "base/address.h"
#include "base/buffer.h"
#include "object/handle.h"
#include "event/poller.h"

typedef struct Datagram {
    Handle handle;
    Poller poller;
    int family;
    Buffer queue;  /* taken from the kernel, and not yet received: see datagram.c */
    Address known; /* whose host is the object's user value, as a string; of no family: none */
    uint64_t received, sent, dropped;
    uint64_t recv_timeout, send_timeout; /* nanoseconds for each call, or FOREVER */
} Datagram;

extern const HandleType datagram_type;

/* [-0, +1] makes an object without a descriptor; then datagram_adopt, which can't fail, gives it one. */
Datagram *datagram_new(lua_State *L, int family);
void datagram_adopt(Datagram *socket, int fd);

static inline Datagram *datagram_check(lua_State *L, int index) {
    return handle_check(L, index, &datagram_type, 1);
}

void datagram_open(lua_State *L); /* [-0, +0] */

#endif
