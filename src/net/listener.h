/*
** Listeners: descriptors that streams are accepted from.
*/
#ifndef ARSENAL_NET_LISTENER_H
#define ARSENAL_NET_LISTENER_H

#include "object/socket_handle.h"
#include "stream/stream.h"
#include "sync/event.h"
#include "system/unix_socket_file.h"

enum { LISTENER_TCP, LISTENER_UNIX, LISTENER_TLS, LISTENER_FAMILIES };

struct AcceptFilter;

typedef struct AcceptFilterType {
    /* [-0, +1] pushes a stream that is ready, of the listener at that index; false without one. */
    bool (*take)(lua_State *L, struct AcceptFilter *filter, int listener);
    /* [-1, +0] starts on the stream on top, which the listener at that index has accepted. */
    void (*start)(lua_State *L, struct AcceptFilter *filter, int listener);
    /* Whether it is so busy ending streams that no more should be accepted for now. */
    bool (*is_full)(struct AcceptFilter *filter);
    /* The listener is closed: closes every stream that it holds. */
    void (*end)(struct AcceptFilter *filter);
} AcceptFilterType;

/*
** What a listener's connections go through before accept returns them. It counts
** in `accepted` those that are ready, and calls listener_wake when one is, or when
** it is no longer full.
*/
typedef struct AcceptFilter {
    const AcceptFilterType *type;
} AcceptFilter;

/* The user values of a listener. */
enum {
    LISTENER_FILTER_VALUE = 1,
    LISTENER_CLOSING_VALUE,
    LISTENER_VALUES = LISTENER_CLOSING_VALUE
};

typedef struct Listener {
    SocketHandle socket;
    WaitQueue pausing; /* tasks that would accept during a pause, or while the filter is full */
    Timer pause;       /* set during a pause: accepting has failed for want of resources */
    int stream_family;
    bool has_spare;       /* an attempt in vain has left an object */
    bool tries_on;        /* after the first attempt of a turn it tries until one is in vain */
    uint64_t tried_turn;  /* in which it has tried last */
    uint64_t in_vain;     /* when it has tried in vain last */
    UnixSocketFile *file; /* that it has made, or NULL */
    uint64_t accepted;
    uint64_t refused;     /* because of a shortage, so far */
    AcceptFilter *filter; /* NULL: connections go through none */
    Event *closing;       /* set when it is closed; NULL: nobody has asked for it */
} Listener;

extern const HandleType listener_types[LISTENER_FAMILIES];

/* [-0, +1] makes an object without a descriptor; then listener_adopt, which cannot fail, gives it one. */
Listener *listener_new(lua_State *L, int family, int stream_family);
void listener_adopt(Listener *listener, int fd);

Listener *listener_check(lua_State *L, int index);
void listener_wake(Listener *listener); /* the tasks that wait for a connection */

void listener_open(lua_State *L); /* [-0, +0] */

#endif
