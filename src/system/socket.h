/*
** Sockets: the system's calls on descriptors, all non-blocking. A result below 0
** is a status of error.h: UV_EAGAIN where the call would block.
*/
#ifndef ARSENAL_SYSTEM_SOCKET_H
#define ARSENAL_SYSTEM_SOCKET_H

#include "base/address.h"
#include "base/unix_address.h"

#include <stddef.h>
#include <uv.h>

/* The process that had the other end of a Unix stream when it was connected. */
typedef struct SocketCredentials {
    int process; /* 0 where the system does not tell */
    unsigned user, group;
} SocketCredentials;

int socket_open(int family, int type); /* a descriptor, closed on exec */
int socket_copy(int fd);               /* one more of the same socket, closed on exec */
void socket_close(int fd);
void socket_abort(int fd); /* closes a stream socket with a reset */

int socket_bind(int fd, const Address *address);
int socket_listen(int fd, int backlog);
int socket_accept(int fd, Address *peer); /* a descriptor */

int socket_connect(int fd, const Address *address); /* UV_EAGAIN: it has ended once writable */
int socket_connected(int fd);                       /* the status that it has ended with */

/*
** A read of less than was asked for has left nothing, unless urgent data has
** stopped it. The second one is for Unix sockets: descriptors that come along, which
** it closes, do not stop it.
*/
ptrdiff_t socket_read(int fd, char *data, size_t size);
ptrdiff_t socket_read_unix(int fd, char *data, size_t size);
ptrdiff_t socket_write(int fd, const uv_buf_t *parts, unsigned count);
int socket_end(int fd); /* ends the sending direction */

/* Makes the kernel accept a few more bytes although its send buffer is full. */
void socket_make_room(int fd);

int socket_remote_address(int fd, Address *address);

int socket_bind_unix(int fd, const UnixAddress *name);
int socket_connect_unix(int fd, const UnixAddress *name); /* UV_EAGAIN: its backlog is full */
/*
** A datagram; the size that it had, also where it was larger than `size`. The second one:
** its size, without taking it.
*/
ptrdiff_t socket_recv_unix(int fd, char *data, size_t size, UnixAddress *from);
ptrdiff_t socket_next_size_unix(int fd);
ptrdiff_t socket_send_unix(int fd, const char *data, size_t size, const UnixAddress *to);

/* Whether a send would not block now, as far as poll(2) tells. */
bool socket_is_writable(int fd);
bool socket_is_readable(int fd); /* the same for a receive */

int socket_local_unix(int fd, UnixAddress *name);
int socket_remote_unix(int fd, UnixAddress *name);
int socket_credentials(int fd, SocketCredentials *peer);

typedef enum SocketOption {
    SOCKET_NODELAY,
    SOCKET_KEEPALIVE, /* seconds of silence, at most SOCKET_LONGEST_KEEPALIVE; 0 for off */
    SOCKET_SEND_BUFFER,
    SOCKET_RECV_BUFFER,
    SOCKET_REUSEADDR,
    SOCKET_REUSEPORT,
    SOCKET_IPV6ONLY,
} SocketOption;

enum { SOCKET_LONGEST_KEEPALIVE = 32767 }; /* Linux takes no more */

int socket_set(int fd, SocketOption option, int value);

/* An option by the system's numbers. Returns 0 or a status. */
int socket_get_raw(int fd, int level, int number, void *value, size_t size);
int socket_set_raw(int fd, int level, int number, const void *value, size_t size);

/* A socket that was opened elsewhere. */
typedef struct SocketFacts {
    int family, type;
    bool listens;
} SocketFacts;

int socket_examine(int fd, SocketFacts *facts);
int socket_prepare(int fd); /* makes it non-blocking and closed on exec, as socket_open does */

/* Datagrams: `to` is NULL on a connected socket. Returns the count of bytes or a status. */
ptrdiff_t socket_send(int fd, const char *data, size_t size, const Address *to);
uint64_t socket_dropped(int fd); /* datagrams that found no room in the kernel's queue, so far */

/* Where datagrams for groups of IPv4 leave: by the interface with that index. Returns 0 or a status. */
int socket_set_multicast_interface(int fd, unsigned interface_index);

/* Joins or leaves a multicast group by the network interface with that index; 0: the system chooses. */
int socket_set_member(int fd, const Address *group, unsigned interface_index, bool member);

/* The index of a network interface, found by its name or by one of its addresses; 0: there is none. */
unsigned socket_interface_index(const char *name);

#endif
