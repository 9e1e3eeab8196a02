/*
** Owns the connections that a listener has accepted and not given out: those
** under way in tasks of a group, and those that are done, in order. What is
** done to them is up to the Lua function given. Floor 4.
*/
#include "net/accept_filter.h"

#include "task/group.h"
#include "net/listener.h"

#include <stdlib.h>

/* The listener's user value: a table of these, and of the streams that are done by address. */
enum { FUNCTION = 1, GROUP, FAILURE };

struct Preparation {
    Group *group;
    uint64_t failed;
    unsigned most, first, count;
    Stream *done[]; /* a ring of `most` */
};

bool preparation_take(lua_State *L, Preparation *preparation, int index) {
    if (preparation->count == 0) return false;
    Stream *stream = preparation->done[preparation->first];
    lua_getiuservalue(L, index, 1);
    lua_rawgetp(L, -1, stream);
    lua_pushnil(L);
    lua_rawsetp(L, -3, stream);
    lua_remove(L, -2);
    preparation->first = (preparation->first + 1) % preparation->most;
    preparation->count--;
    return true;
}

void preparation_start(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_getiuservalue(L, index, 1);
    lua_rawgeti(L, -1, FUNCTION);
    lua_rawgeti(L, -2, GROUP);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -5);
    lua_call(L, 3, 0);
    lua_pop(L, 2);
}

bool preparation_is_full(const Preparation *preparation) {
    return group_count(preparation->group) + preparation->count >= preparation->most;
}

void preparation_end(Preparation *preparation, const Loop *loop) {
    for (unsigned i = 0; i < preparation->count; i++)
        handle_close(&preparation->done[(preparation->first + i) % preparation->most]->handle);
    if (!loop->closed) group_cancel_tasks(preparation->group);
    free(preparation);
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
    Preparation *preparation = malloc(sizeof *preparation + most * sizeof(Stream *));
    if (preparation == NULL) return luaL_error(L, "not enough memory");
    *preparation = (Preparation){.group = group, .most = most};
    lua_setiuservalue(L, 1, 1);
    listener->preparation = preparation;
    handle_become(L, 1, &listener_types[LISTENER_TLS]);
    return 0;
}

/* listener_prepared(listener, stream, failure): one is done, or, without a stream, has failed. */
static int prepared(lua_State *L) {
    Listener *listener = listener_check(L, 1);
    Preparation *preparation = listener->preparation;
    lua_settop(L, 3);
    if (!listener->handle.open) {
        if (!lua_isnoneornil(L, 2)) handle_close(&stream_check(L, 2)->handle);
        return 0;
    }
    if (lua_isnoneornil(L, 2)) {
        preparation->failed++;
        lua_getiuservalue(L, 1, 1);
        lua_pushvalue(L, 3);
        lua_rawseti(L, -2, FAILURE);
    } else {
        Stream *stream = stream_check(L, 2);
        lua_getiuservalue(L, 1, 1);
        lua_pushvalue(L, 2);
        lua_rawsetp(L, -2, stream);
        preparation->done[(preparation->first + preparation->count++) % preparation->most] = stream;
        listener->accepted++;
    }
    listener_wake(listener);
    return 0;
}

/* listener_preparing(listener): how many are under way, have failed, and why the last one has. */
static int preparing(lua_State *L) {
    const Listener *listener = listener_check(L, 1);
    const Preparation *preparation = listener->preparation;
    if (preparation == NULL) return 0;
    lua_pushinteger(L, group_count(preparation->group));
    lua_pushinteger(L, (lua_Integer)preparation->failed);
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

void preparation_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
