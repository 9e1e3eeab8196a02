/*
** Listeners: descriptors that streams are accepted from.
*/
#ifndef ARSENAL_NET_LISTENER_H
#define ARSENAL_NET_LISTENER_H

#include "object/handle.h"
#include "event/poller.h"
#include "net/accept_filter.h"
#include "system/unix_socket_file.h"
#include "stream/stream.h"

enum { LISTENER_TCP, LISTENER_UNIX, LISTENER_TLS, LISTENER_FAMILIES };

typedef struct Listener {
    Handle handle;
    Poller poller;
    WaitQueue pausing; /* those who would accept, for want of descriptors */
    Timer pause;       /* set while that lasts */
    int stream_family;
    UnixSocketFile *file;        /* that it has made, or NULL */
    uint64_t accepted, refused;  /* refused: times that descriptors or memory had run out */
    AcceptFilter *accept_filter; /* what connections go through first, or NULL */
} Listener;

extern const HandleType listener_types[LISTENER_FAMILIES];

/* [-0, +1] makes an object without a descriptor; then listener_adopt gives it one. */
Listener *listener_new(lua_State *L, int family, int stream_family);
void listener_adopt(Listener *listener, int fd);

Listener *listener_check(lua_State *L, int index);
void listener_wake(Listener *listener); /* whoever waits for a connection */

void listener_open(lua_State *L); /* [-0, +0] */

#endif
