/*
** Owns what the loop tells about itself. Floor 5.
*/
#include "openers.h"

#include "handle.h"
#include "task.h"

static void set_count(lua_State *L, const char *name, lua_Integer count) {
    lua_pushinteger(L, count);
    lua_setfield(L, -2, name);
}

/*
** stats() a table: `tasks` not ended, of which `ready` and `waiting`; open
** `handles` by kind; `timers` set; `turns` made.
*/
static int stats(lua_State *L) {
    Loop *loop = loop_of(L);
    lua_createtable(L, 0, 8);
    set_count(L, "tasks", loop->tasks);
    set_count(L, "ready", loop->ready);
    set_count(L, "waiting", (lua_Integer)loop->tasks - loop->ready - (loop->running != NULL));
    set_count(L, "timers", loop->timers.count);
    set_count(L, "turns", (lua_Integer)loop->turns);
    handle_push_counts(L, loop);
    lua_setfield(L, -2, "handles");
    return 1;
}

static const luaL_Reg functions[] = {
    {"stats", stats},
    {NULL, NULL},
};

void stats_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
