/*
** Datagram sockets: each receives and sends whole messages. datagram.c has what UDP
** and Unix datagram sockets share; udp_receive.c and unix_datagram.c have how each of
** them takes a datagram from the kernel.
*/
#ifndef ARSENAL_NET_DATAGRAM_H
#define ARSENAL_NET_DATAGRAM_H

#include "base/address.h"
#include "base/buffer.h"
#include "object/socket_handle.h"
#include "system/unix_socket_file.h"

enum { DATAGRAM_UDP, DATAGRAM_UNIX, DATAGRAM_TYPES };

/* The stack of a call that receives: the socket, the most bytes. */
enum { DATAGRAM_SELF = 1, DATAGRAM_MOST };

struct DatagramSocket;

/* One of the calls that may wait. */
typedef struct DatagramCall {
    WaitKind wait;
    const char *verb;
    bool addressed; /* the call takes, or returns, the address of the other end */
    bool never_waits;
} DatagramCall;

/*
** Takes the next datagram, and pushes the results of the call. Returns their number, 0 if
** there is no datagram.
*/
typedef int DatagramReceive(lua_State *L, struct DatagramSocket *socket, const DatagramCall *call);

typedef struct DatagramKind {
    int type; /* DATAGRAM_UDP, ... */
    DatagramReceive *receive;
    size_t most; /* bytes of a datagram that a call receives by default */
} DatagramKind;

extern const DatagramKind udp_kind;           /* in udp_receive.c */
extern const DatagramKind unix_datagram_kind; /* in unix_datagram.c */

typedef struct DatagramSocket {
    SocketHandle socket;
    const DatagramKind *kind;
    int family;
    uint64_t received, sent, dropped;

    /* UDP */
    Buffer queue;  /* datagrams taken from the kernel, and not yet received: see udp_receive.c */
    Address known; /* whose host is the object's user value, as a string; of no family: none */

    /* Unix */
    UnixSocketFile *file; /* that it has made, or NULL */
    Waiter sender;        /* of a gauge: the task that also waits on its own socket */
} DatagramSocket;

extern const HandleType datagram_types[DATAGRAM_TYPES];

/*
** [-0, +1] makes an object of one of the kinds without a descriptor; then
** datagram_adopt, which cannot fail, gives it one.
*/
DatagramSocket *datagram_new(lua_State *L, const DatagramKind *kind, int family);
void datagram_adopt(DatagramSocket *socket, int fd);

static inline DatagramSocket *datagram_check(lua_State *L, int index) {
    return handle_check(L, index, datagram_types, DATAGRAM_TYPES);
}

static inline DatagramSocket *datagram_check_type(lua_State *L, int index, int type) {
    return handle_check(L, index, &datagram_types[type], 1);
}

/* --- for the two files that receive --- */

/* nil, "<verb> <name>: <reason>", code; returns 3. */
int datagram_fail(lua_State *L, const DatagramSocket *socket, const DatagramCall *call, int status);

/* The same for a datagram of `size` bytes that is larger than the limit; returns 3. */
int datagram_refuse_oversized(lua_State *L, const DatagramSocket *socket, const DatagramCall *call,
                              size_t size, size_t most);

/*
** The call would block. POLL_HANGUP goes, too: for a UDP socket it comes with an
** error, which the call has returned by now, and not at an end.
*/
static inline void datagram_exhausted(DatagramSocket *socket, unsigned events) {
    socket->socket.poller.ready &= (uint8_t) ~(events | POLL_HANGUP);
}

void datagram_open(lua_State *L); /* [-0, +0] adds the tables of methods to the one on top */

#endif
