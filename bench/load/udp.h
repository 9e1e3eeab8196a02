/* Ping-pong with datagrams: `connections` connected sockets, one datagram in flight on each. One
** that does not come back in time ends the program, unless a copy sent again does; a late copy
** is known by its content. */
#ifndef udp_h
#define udp_h

#include "mode.h"

extern const struct mode udp_mode;

#endif
