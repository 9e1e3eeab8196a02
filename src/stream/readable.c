/*
** Owns the cases for select that stand for a stream without receiving from it.
*/
#include "base/openers.h"

#include "base/error.h"
#include "stream/stream_io.h"

enum { SELF = 1 };

static const char readable_name[] = "arsenal.readable";

/* The user value is the stream. */
typedef struct Readable {
    Stream *stream;
} Readable;

static int readable_attempt(lua_State *L) {
    Stream *stream = ((Readable *)lua_touserdata(L, SELF))->stream;
    lua_settop(L, SELF);
    lua_getiuservalue(L, SELF, 1);
    if (!stream->socket.handle.open)
        return handle_fail(L, &stream->socket.handle, "readable", ARSENAL_CLOSED);
    if (stream->receiver != NULL) return stream_refuse_receiver(L, stream, "readable");
    if (!stream_is_readable(stream)) return 0;
    lua_pushboolean(L, true);
    return 1;
}

static int readable_watch(void *object, Waiter *waiter) {
    return poller_wait(&((Readable *)object)->stream->socket.poller, waiter, POLL_READ);
}

static const Selectable readable_selectable = {readable_attempt, readable_watch, NULL, NULL};

static int readable_tostring(lua_State *L) {
    luaL_checkudata(L, SELF, readable_name);
    lua_getiuservalue(L, SELF, 1);
    lua_pushfstring(L, "readable %s", luaL_tolstring(L, -1, NULL));
    return 1;
}

/* readable(stream): a case for select, ready when a receive on the stream would not wait. */
static int readable_new(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    Readable *readable = lua_newuserdatauv(L, sizeof *readable, 1);
    readable->stream = stream;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, readable_name);
    return 1;
}

void readable_open(lua_State *L) {
    luaL_newmetatable(L, readable_name);
    selectable_attach(L, &readable_selectable);
    lua_pushcfunction(L, readable_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    lua_pushcfunction(L, readable_new);
    lua_setfield(L, -2, "readable");
}
