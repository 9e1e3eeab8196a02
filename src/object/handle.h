/*
** Handles: the base of every object that holds a resource. Each is a userdata
** that starts with a Handle; its type gives it a name, a close, and how it
** describes itself.
*/
#ifndef ARSENAL_OBJECT_HANDLE_H
#define ARSENAL_OBJECT_HANDLE_H

#include "kernel/loop.h"
#include "object/selectable.h"

#include <lauxlib.h>

typedef struct Handle Handle;

enum { /* for HandleType.kind; 0: not counted, an object that holds nothing of the system */
       KIND_TCP_STREAM = 1,
       KIND_UNIX_STREAM,
       KIND_TLS_STREAM,
       KIND_PIPE_STREAM,
       KIND_STANDARD_STREAM,
       KIND_TCP_LISTENER,
       KIND_UNIX_LISTENER,
       KIND_TLS_LISTENER,
       KIND_DATAGRAM,
       KIND_UNIX_DATAGRAM,
       KIND_BARE_SOCKET,
       KIND_SIGNAL,
       KIND_FILE,
       KIND_FILE_WATCH,
       KIND_PROCESS,
       HANDLE_KINDS,
};

typedef struct HandleType {
    const char *name;              /* "tcp stream" */
    const char *class;             /* "stream": what a bad argument's message says is expected */
    unsigned kind;                 /* what open ones are counted as */
    void (*close)(Handle *handle); /* frees what an open one holds; never waits */
    void (*describe)(lua_State *L, const Handle *handle); /* [-0, +1] what comes after the name */
    const Selectable *selectable;                         /* what it is in a select, or NULL */
} HandleType;

struct Handle {
    const HandleType *type;
    Loop *loop;
    bool open;
    uint32_t closed_turn; /* in which it was closed; 0: it was not */
};

/*
** Whether its descriptor may be changed: it is open, and this process is no fork of the one
** that it belongs to.
*/
static inline bool handle_is_ours(const Handle *handle) {
    return handle->open && !handle->loop->forked;
}

/* Makes the type's metatable, once for a Lua state; the table on top holds its methods. [-0, +0] */
void handle_define(lua_State *L, const HandleType *type);

/* [-0, +0] does what `selectable` in the type does, for a file above the one that defines the type. */
void handle_attach_source(lua_State *L, const HandleType *type, const Selectable *selectable);

/*
** [-0, +1] a new object of `size` bytes, all 0 behind the Handle, with room for
** so many user values: it is not open yet.
*/
void *handle_new(lua_State *L, const HandleType *type, size_t size, int values);
void handle_opened(Handle *handle);
void handle_close(Handle *handle); /* does nothing if it is not open */

/* Returns the object at `index`, of whatever type, or NULL if there is none. */
Handle *handle_test(lua_State *L, int index);

void handle_leave(Handle *handle); /* an open one is closed, but what it held is the caller's */

/* Makes the open object at `index` one of another type, whose objects are laid out alike. */
void handle_become(lua_State *L, int index, const HandleType *type);

/* Returns the object at `index`, open or not, if its type is one of these; otherwise NULL. See handle_check. */
static inline void *handle_test_type(lua_State *L, int index, const HandleType *types,
                                     unsigned count) {
    Handle *handle = lua_touserdata(L, index);
    bool is_one = handle != NULL && lua_rawlen(L, index) >= sizeof *handle &&
                  (uintptr_t)handle->type - (uintptr_t)types < count * sizeof *types;
    return is_one ? handle : NULL;
}

/*
** Returns the object at `index`, open or not. Raises an argument error unless its
** type is one of these. The type's address is what identifies it: no other userdata
** starts with the address of a static of ours. A light userdata has no length.
*/
static inline void *handle_check(lua_State *L, int index, const HandleType *types, unsigned count) {
    void *handle = handle_test_type(L, index, types, count);
    if (handle == NULL) luaL_typeerror(L, index, types->class);
    return handle;
}

void handle_push_name(lua_State *L, const Handle *handle); /* [-0, +1] "tcp stream a -> b" */

/* [-0, +1] "receiving on tcp stream a -> b", for WaitKind.describe; `doing` is "receiving on". */
void handle_describe_wait(lua_State *L, const Handle *handle, const char *doing);

/*
** nil, "<verb> <name>: <reason>", code; returns 3. The object is an argument of
** the call. The second takes a reason in place of the status's own words.
*/
int handle_fail(lua_State *L, const Handle *handle, const char *verb, int status);
int handle_fail_reason(lua_State *L, const Handle *handle, const char *verb, int status,
                       const char *reason);

/* [-0, +0] notes that the failure on top (nil, message, code) is of this object; returns 3. */
int handle_set_failed(lua_State *L, const Handle *handle);

void handle_push_counts(lua_State *L, const Loop *loop); /* [-0, +1] open ones by name */

void handle_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
