/*
** Owns the guards of scopes that are entered in generators.
*/
#include "kernel/scope_guard.h"

typedef struct ScopeGuard {
    const Loop *loop;
    Scope *scope; /* NULL: it guards nothing */
    void (*lost)(Scope *scope);
} ScopeGuard;

static const char guard_name[] = "arsenal.scope_guard";

void scope_guard_push(lua_State *L, const Task *task) {
    if (L == task->L) {
        lua_pushnil(L);
        return;
    }
    ScopeGuard *guard = lua_newuserdatauv(L, sizeof *guard, 1);
    *guard = (ScopeGuard){.loop = task->loop};
    luaL_setmetatable(L, guard_name);
}

void scope_guard_keep(lua_State *L, int index, int object) {
    if (lua_isnil(L, index)) return;
    lua_pushvalue(L, object);
    lua_setiuservalue(L, index < 0 ? index - 1 : index, 1);
}

void scope_guard_begin(lua_State *L, int index, Scope *scope, void (*lost)(Scope *scope)) {
    ScopeGuard *guard = lua_touserdata(L, index);
    if (guard == NULL) return;
    guard->scope = scope;
    guard->lost = lost;
}

/* --- suspended coroutines --- */

/* registry: the innermost scope of each suspended coroutine that has entered any, with weak keys */
static const char suspended_key;

/* [-1, +0] sets the innermost scope of the suspended coroutine on top; NULL: there is none. */
static void scope_guard_set_suspended(lua_State *L, Scope *innermost) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &suspended_key);
    lua_insert(L, -2);
    if (innermost != NULL)
        lua_pushlightuserdata(L, innermost);
    else
        lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void scope_guard_suspend(lua_State *L, int index, Task *task) {
    Loop *loop = task->loop;
    Scope *innermost = scope_suspend(&task->scopes, lua_tothread(L, index), &loop->root);
    if (innermost == NULL) return;
    loop->has_suspended_scopes = true;
    lua_pushvalue(L, index);
    scope_guard_set_suspended(L, innermost);
}

void scope_guard_continue(lua_State *L, int index, Task *task) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &suspended_key);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    Scope *innermost = lua_touserdata(L, -1);
    lua_pop(L, 2);
    if (innermost == NULL) return;
    lua_pushvalue(L, index);
    scope_guard_set_suspended(L, NULL);
    scope_continue(innermost, &task->scopes, &task->loop->root);
}

/*
** If Lua's own resume has continued the coroutine, the scope is still among the
** suspended ones. At the end of the Lua state, a finalizer may continue it after
** the guard was finalized.
*/
void scope_guard_end(lua_State *L, int index) {
    ScopeGuard *guard = lua_touserdata(L, index);
    if (guard == NULL || guard->scope == NULL) return;
    if (guard->scope->stack == NULL) {
        Scope *outer = guard->scope->parent;
        lua_pushthread(L);
        scope_guard_set_suspended(L, outer->coroutine == L ? outer : NULL);
    }
    guard->scope = NULL;
}

static int scope_guard_gc(lua_State *L) {
    ScopeGuard *guard = lua_touserdata(L, 1);
    if (guard->scope != NULL && !guard->loop->closed) guard->lost(guard->scope);
    guard->scope = NULL;
    return 0;
}

void scope_guard_open(lua_State *L) {
    luaL_newmetatable(L, guard_name);
    lua_pushcfunction(L, scope_guard_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &suspended_key);
}
