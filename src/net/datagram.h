/*
** UDP sockets: each receives and sends whole messages, datagrams.
*/
#ifndef ARSENAL_NET_DATAGRAM_H
#define ARSENAL_NET_DATAGRAM_H

#include "base/address.h"
#include "base/buffer.h"
#include "object/socket_handle.h"

typedef struct DatagramSocket {
    SocketHandle socket;
    int family;
    Buffer queue; /* datagrams taken from the kernel, and not yet received: see datagram.c */
    Address
        known; /* the one whose host is the object's user value, as a string; of no family: none */
    uint64_t received, sent, dropped;
} DatagramSocket;

extern const HandleType datagram_type;

/* [-0, +1] makes an object without a descriptor; then datagram_adopt, which cannot fail, gives it one. */
DatagramSocket *datagram_new(lua_State *L, int family);
void datagram_adopt(DatagramSocket *udp, int fd);

static inline DatagramSocket *datagram_check(lua_State *L, int index) {
    return handle_check(L, index, &datagram_type, 1);
}

void datagram_open(lua_State *L); /* [-0, +0] */

#endif
