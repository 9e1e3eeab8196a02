/*
** Owns the tree of scopes, and the error that a cancellation is. Cancelling
** marks everything below at once, so that a wait asks only its own scope.
*/
#include "kernel/scope.h"

#include "base/error.h"
#include "kernel/task.h"

#include <lauxlib.h>

static const char cancellation_name[] = "arsenal.cancellation";
static const char plain_key; /* registry: the one error without a reason */

static void link_below(Scope *scope, Scope *parent) {
    Scope *first = parent->children;
    scope->parent = parent;
    if (first == NULL) {
        parent->children = scope->next = scope->previous = scope;
    } else {
        scope->next = first;
        scope->previous = first->previous;
        first->previous->next = scope;
        first->previous = scope;
    }
}

static void unlink_scope(Scope *scope) {
    Scope *parent = scope->parent;
    if (scope->next == scope) {
        parent->children = NULL;
    } else {
        if (parent->children == scope) parent->children = scope->next;
        scope->next->previous = scope->previous;
        scope->previous->next = scope->next;
    }
}

void scope_enter(Scope *scope, Scope *parent, Task *task, int kind) {
    *scope = (Scope){.task = task, .kind = (unsigned char)kind};
    scope->doomed = parent->doomed && kind != SCOPE_SHIELD;
    link_below(scope, parent);
    task->scope = scope;
}

void scope_leave(Scope *scope) {
    Task *task = scope->task;
    unlink_scope(scope);
    if (task->scope == scope && scope->parent->task == task) task->scope = scope->parent;
}

void scope_attach(Scope *scope, Scope *parent) {
    link_below(scope, parent);
}

void scope_detach(Scope *scope) {
    unlink_scope(scope);
    *scope = (Scope){.kind = scope->kind};
}

void scope_move_children(Scope *scope, Scope *parent) {
    while (scope->children != NULL) {
        Scope *child = scope->children;
        unlink_scope(child);
        link_below(child, parent);
    }
}

const Scope *scope_after(const Scope *scope, const Scope *top, bool descend) {
    if (descend && scope->children != NULL) return scope->children;
    while (scope != top) {
        if (scope->next != scope->parent->children) return scope->next;
        scope = scope->parent;
    }
    return NULL;
}

void scope_cancel(Scope *top) {
    if (top->cancelled) return;
    top->cancelled = true;
    bool spreads = true;
    for (Scope *scope = top; scope != NULL; scope = (Scope *)scope_after(scope, top, spreads)) {
        spreads = scope == top || !(scope->kind == SCOPE_SHIELD || scope->doomed);
        if (!spreads) continue;
        scope->doomed = true;
        if (scope->task != NULL && scope->task->scope == scope) task_interrupt(scope->task);
    }
}

static void push_cancellation(lua_State *L, const char *message) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, error_code(ARSENAL_CANCELLED));
    lua_setfield(L, -2, "code");
    luaL_setmetatable(L, cancellation_name);
}

void scope_push_cancellation(lua_State *L, int index) {
    index = lua_absindex(L, index);
    const char *reason = luaL_tolstring(L, index, NULL);
    push_cancellation(L, lua_pushfstring(L, "%s: %s", error_words(ARSENAL_CANCELLED), reason));
    lua_pushvalue(L, index);
    lua_setfield(L, -2, "reason");
    lua_replace(L, -3);
    lua_pop(L, 1);
}

int scope_raise(lua_State *L, const Scope *scope) {
    while (!scope->cancelled && scope->parent != NULL)
        scope = scope->parent;
    if (scope->has_reason)
        task_push_reason(L, scope->task);
    else
        lua_rawgetp(L, LUA_REGISTRYINDEX, &plain_key);
    return lua_error(L);
}

bool scope_is_cancellation(lua_State *L, int index) {
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
    bool is = luaL_getmetatable(L, cancellation_name) == LUA_TTABLE && lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

/* is_cancelled(err): whether a caught error is a cancellation. */
static int is_cancelled(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, scope_is_cancellation(L, 1));
    return 1;
}

static int cancellation_tostring(lua_State *L) {
    lua_getfield(L, 1, "message");
    return 1;
}

static const luaL_Reg functions[] = {
    {"is_cancelled", is_cancelled},
    {NULL, NULL},
};

void scope_open(lua_State *L) {
    luaL_newmetatable(L, cancellation_name);
    lua_pushcfunction(L, cancellation_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    push_cancellation(L, error_words(ARSENAL_CANCELLED));
    lua_rawsetp(L, LUA_REGISTRYINDEX, &plain_key);
    luaL_setfuncs(L, functions, 0);
}
