/*
** Owns the end of a program: the Lua state is closed, then the process ends.
*/
#include "base/openers.h"

#include "base/platform.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static const char require_key; /* registry: Lua's function `require` */

/* exit(status): closes the Lua state, and ends the process with this status. */
static int exit_with_status(lua_State *L) {
    int status = (int)luaL_checkinteger(L, 1);
    lua_close(L);
    exit(status);
}

/*
** exit_interrupted(): the same, by SIGINT itself: shells judge by that whether Ctrl-C
** is meant for them too.
*/
static int exit_interrupted(lua_State *L) {
    lua_close(L);
    fflush(NULL);
    signal(SIGINT, SIG_DFL);
#ifndef _WIN32
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_UNBLOCK, &interrupt, NULL);
    raise(SIGINT);
#endif
    exit(128 + SIGINT);
}

/* is_required(): whether the calling code is run by Lua's `require`. */
static int exit_is_required(lua_State *L) {
    lua_Debug frame;
    bool is = false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &require_key);
    for (int level = 1; !is && !lua_isnil(L, -1) && lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "f", &frame);
        is = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
    }
    lua_pushboolean(L, is);
    return 1;
}

static const luaL_Reg exit_functions[] = {
    {"exit", exit_with_status},
    {"exit_interrupted", exit_interrupted},
    {"is_required", exit_is_required},
    {NULL, NULL},
};

void exit_open(lua_State *L) {
    lua_getglobal(L, "require");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &require_key);
    luaL_setfuncs(L, exit_functions, 0);
}
