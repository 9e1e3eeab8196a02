/*
** Sockets: the system's calls on descriptors, all non-blocking; each result
** below 0 is a status of error.h, UV_EAGAIN where it would block.
*/
#ifndef ARSENAL_SYSTEM_SOCKET_H
#define ARSENAL_SYSTEM_SOCKET_H

#include "base/address.h"
#include "base/unix_address.h"

#include <stddef.h>
#include <uv.h>

/* Who had the other end of a Unix stream when it was connected. */
typedef struct SocketCredentials {
    int process; /* 0 where the system doesn't tell */
    unsigned user, group;
} SocketCredentials;

int socket_open(int family, int type); /* a descriptor, closed on exec */
void socket_close(int fd);
void socket_abort(int fd); /* closes a stream socket with a reset */

int socket_bind(int fd, const Address *address);
int socket_listen(int fd, int backlog);
int socket_accept(int fd, Address *peer); /* a descriptor */

int socket_connect(int fd, const Address *address); /* 0, or UV_EAGAIN: ends when writable */
int socket_connected(int fd);                       /* how that has ended */

ptrdiff_t socket_read(int fd, char *data, size_t size);
ptrdiff_t socket_write(int fd, const uv_buf_t *parts, unsigned count);
int socket_end(int fd); /* ends our direction */

/* Makes the kernel accept a few more bytes although its send buffer is full. */
void socket_make_room(int fd);

int socket_local_address(int fd, Address *address);
int socket_remote_address(int fd, Address *address);

int socket_bind_unix(int fd, const UnixAddress *name);
int socket_connect_unix(int fd, const UnixAddress *name); /* UV_EAGAIN: its backlog is full */
int socket_local_unix(int fd, UnixAddress *name);
int socket_remote_unix(int fd, UnixAddress *name);
int socket_credentials(int fd, SocketCredentials *peer);

typedef enum SocketOption {
    SOCKET_NODELAY,
    SOCKET_KEEPALIVE, /* seconds of silence, 0 for off */
    SOCKET_SEND_BUFFER,
    SOCKET_RECV_BUFFER,
    SOCKET_REUSEADDR,
    SOCKET_REUSEPORT,
    SOCKET_IPV6ONLY,
} SocketOption;

int socket_set(int fd, SocketOption option, int value);

/* A socket that was opened elsewhere. */
typedef struct SocketFacts {
    int family, type;
    bool listens;
} SocketFacts;

int socket_examine(int fd, SocketFacts *facts);
int socket_prepare(int fd); /* makes it as socket_open does */

/* Datagrams: `to` is NULL on a connected socket. Returns the count of bytes or a status. */
ptrdiff_t socket_send(int fd, const char *data, size_t size, const Address *to);
uint64_t socket_dropped(int fd); /* datagrams that found no room in the kernel's queue, so far */

typedef enum DatagramOption {
    DATAGRAM_BROADCAST,
    DATAGRAM_TTL,
    DATAGRAM_MULTICAST_TTL,
    DATAGRAM_MULTICAST_LOOP,
    DATAGRAM_MULTICAST_INTERFACE, /* its index */
} DatagramOption;

int socket_set_datagram(int fd, int family, DatagramOption option, int value);

/* Whether the socket gets what is sent to the group, by the interface (0: the system's choice). */
int socket_set_member(int fd, const Address *group, unsigned interface, bool member);

/* The index of an interface, by its name or an address of it; 0: there is none. */
unsigned socket_interface(const char *name);

#endif
