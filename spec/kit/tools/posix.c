/*
** A Lua module for the specs: a few calls of the system that Lua lacks.
*/
#include <lauxlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* fork(): 0 in the child, and its process id in the parent. */
static int posix_fork(lua_State *L) {
    lua_pushinteger(L, fork());
    return 1;
}

/* wait(pid): waits for its end; returns its status, or 1000 and the signal that has ended it. */
static int posix_wait(lua_State *L) {
    int status = 0;
    waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
    return 1;
}

/* exit(status): ends the process at once, without closing the Lua state. */
static int posix_exit(lua_State *L) {
    _exit((int)luaL_checkinteger(L, 1));
}

static int posix_dup(lua_State *L) {
    lua_pushinteger(L, dup((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int posix_close(lua_State *L) {
    lua_pushboolean(L, close((int)luaL_checkinteger(L, 1)) == 0);
    return 1;
}

int luaopen_posix(lua_State *L) {
    static const luaL_Reg functions[] = {{"fork", posix_fork},   {"wait", posix_wait},
                                         {"exit", posix_exit},   {"dup", posix_dup},
                                         {"close", posix_close}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
