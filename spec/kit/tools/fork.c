/*
** A Lua module for the specs: fork() returns 0 in the child, and its process id
** in the parent; wait(pid) waits for its end and returns its status.
*/
#include <lauxlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int fork_process(lua_State *L) {
    lua_pushinteger(L, fork());
    return 1;
}

static int fork_wait(lua_State *L) {
    int status = 0;
    waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
    return 1;
}

/* Ends the process at once, without closing the Lua state. */
static int fork_exit(lua_State *L) {
    _exit((int)luaL_checkinteger(L, 1));
}

int luaopen_fork(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"fork", fork_process}, {"wait", fork_wait}, {"exit", fork_exit}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
