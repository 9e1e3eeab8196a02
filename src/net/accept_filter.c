/*
** Owns the connections that a listener has accepted and not given out: those
** under way in tasks of a group, and those that are done, in order. What is
** done to them is up to the Lua function given.
*/
#include "net/accept_filter.h"

#include "task/group.h"
#include "net/listener.h"

#include <stdlib.h>

/* The listener's user value: a table of these, and of the streams that are done by address. */
enum { FUNCTION = 1, GROUP, FAILURE };

struct AcceptFilter {
    Group *group;
    uint64_t failed;
    unsigned most, first, count;
    Stream *done[]; /* a ring of `most` */
};

bool accept_filter_take(lua_State *L, AcceptFilter *accept_filter, int index) {
    if (accept_filter->count == 0) return false;
    Stream *stream = accept_filter->done[accept_filter->first];
    lua_getiuservalue(L, index, 1);
    lua_rawgetp(L, -1, stream);
    lua_pushnil(L);
    lua_rawsetp(L, -3, stream);
    lua_remove(L, -2);
    accept_filter->first = (accept_filter->first + 1) % accept_filter->most;
    accept_filter->count--;
    return true;
}

void accept_filter_start(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_getiuservalue(L, index, 1);
    lua_rawgeti(L, -1, FUNCTION);
    lua_rawgeti(L, -2, GROUP);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -5);
    lua_call(L, 3, 0);
    lua_pop(L, 2);
}

bool accept_filter_is_full(const AcceptFilter *accept_filter) {
    return group_count(accept_filter->group) + accept_filter->count >= accept_filter->most;
}

void accept_filter_end(AcceptFilter *accept_filter, const Loop *loop) {
    for (unsigned i = 0; i < accept_filter->count; i++)
        handle_close(
            &accept_filter->done[(accept_filter->first + i) % accept_filter->most]->handle);
    if (!loop->closed) group_cancel_tasks(accept_filter->group);
    free(accept_filter);
}

/*
** listener_prepare(listener, fn, group, most): from now on fn(group, listener,
** stream) starts a task of the detached group for each connection, at most
** `most`; each ends in listener_prepared. The listener becomes a TLS listener.
*/
static int prepare(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    Group *group = group_check(L, 3);
    unsigned most = (unsigned)args_integer(L, 4, 1, 1 << 20);
    lua_createtable(L, 2, 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, FUNCTION);
    lua_pushvalue(L, 3);
    lua_rawseti(L, -2, GROUP);
    AcceptFilter *accept_filter = malloc(sizeof *accept_filter + most * sizeof(Stream *));
    if (accept_filter == NULL) return luaL_error(L, "not enough memory");
    *accept_filter = (AcceptFilter){.group = group, .most = most};
    lua_setiuservalue(L, 1, 1);
    listener->accept_filter = accept_filter;
    handle_become(L, 1, &listener_types[LISTENER_TLS]);
    return 0;
}

/* listener_prepared(listener, stream, failure): one is done, or, without a stream, has failed. */
static int prepared(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    AcceptFilter *accept_filter = listener->accept_filter;
    lua_settop(L, 3);
    if (!listener->handle.open) {
        if (!lua_isnoneornil(L, 2)) handle_close(&stream_check(L, 2)->handle);
        return 0;
    }
    if (lua_isnoneornil(L, 2)) {
        accept_filter->failed++;
        lua_getiuservalue(L, 1, 1);
        lua_pushvalue(L, 3);
        lua_rawseti(L, -2, FAILURE);
    } else {
        Stream *stream = stream_check(L, 2);
        lua_getiuservalue(L, 1, 1);
        lua_pushvalue(L, 2);
        lua_rawsetp(L, -2, stream);
        accept_filter->done[(accept_filter->first + accept_filter->count++) % accept_filter->most] =
            stream;
        listener->accepted++;
    }
    listener_wake(listener);
    return 0;
}

/* listener_preparing(listener): how many are under way, have failed, and why the last one has. */
static int preparing(lua_State *L) {
    const Listener *listener = listener_check(L, 1);
    const AcceptFilter *accept_filter = listener->accept_filter;
    if (accept_filter == NULL) return 0;
    lua_pushinteger(L, group_count(accept_filter->group));
    lua_pushinteger(L, (lua_Integer)accept_filter->failed);
    lua_getiuservalue(L, 1, 1);
    lua_rawgeti(L, -1, FAILURE);
    lua_replace(L, -2);
    return 3;
}

static const luaL_Reg functions[] = {
    {"listener_prepare", prepare},
    {"listener_prepared", prepared},
    {"listener_preparing", preparing},
    {NULL, NULL},
};

void accept_filter_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
