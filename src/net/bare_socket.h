/*
** Bare sockets: a socket before it is a stream or a listener, and datagram sockets
** whose calls are the kernel's own. The modules that speak for other libraries
** are built on them.
*/
#ifndef ARSENAL_NET_BARE_SOCKET_H
#define ARSENAL_NET_BARE_SOCKET_H

#include "object/socket_handle.h"

typedef struct BareSocket {
    SocketHandle socket;
    bool is_given; /* its descriptor is another object's by now */
} BareSocket;

extern const HandleType bare_socket_type;

#endif
