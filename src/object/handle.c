/*
** Owns what all objects have in common: the check of a self, close, __close,
** __gc, __tostring, and the count of open ones.
*/
#include "object/handle.h"

#include "base/error.h"
#include "base/error_object.h"
#include "kernel/public.h"

#include <stdlib.h>
#include <string.h>

static const char names_key; /* registry: list of types' names by kind */
static const char mark_key;  /* in a metatable: its userdata are handles */

/* The loop's count of open objects by kind. */
typedef struct HandleCounts {
    LoopPart part;
    unsigned open[HANDLE_KINDS];
    int buried;         /* objects in the list at buried_key */
    uint64_t buried_at; /* the turn in which the last came there */
} HandleCounts;

static const char counts_key;
static const char buried_key; /* registry: list of finalized objects */

static HandleCounts *handle_counts(const Loop *loop) {
    return loop_part(loop, &counts_key);
}

static void handle_close_counts(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

static void handle_count(const Handle *handle, int change) {
    if (handle->loop->closed) return;
    handle_counts(handle->loop)->open[handle->type->kind] += (unsigned)change;
}

Handle *handle_test(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
    bool is_handle = lua_rawgetp(L, -1, &mark_key) == LUA_TBOOLEAN;
    lua_pop(L, 2);
    return is_handle ? lua_touserdata(L, index) : NULL;
}

static Handle *handle_check_any(lua_State *L) {
    Handle *handle = handle_test(L, 1);
    if (handle == NULL) luaL_typeerror(L, 1, "arsenal object");
    return handle;
}

/* The same for a function whose upvalue is the type that the object most likely has. */
static Handle *handle_check_likely(lua_State *L) {
    Handle *handle = handle_test_type(L, 1, lua_touserdata(L, lua_upvalueindex(1)), 1);
    return handle != NULL ? handle : handle_check_any(L);
}

/*
** object:close() frees what the object holds, and wakes the tasks that wait on it
** with "CLOSED". A second call does nothing.
*/
static int handle_close_method(lua_State *L) {
    handle_close(handle_check_any(L));
    lua_pushboolean(L, true);
    return 1;
}

/*
** A task that has been woken and has not run yet may still have its object: where
** user code has closed the coroutine that kept the object, the object's memory is
** kept here until the task has run, which is in the next turn at the latest.
*/
static void handle_bury(lua_State *L, const Loop *loop) {
    HandleCounts *part = handle_counts(loop);
    if (part->buried == 0 || loop->turns > part->buried_at + 1) {
        lua_newtable(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &buried_key);
        part->buried = 0;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &buried_key);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, ++part->buried);
    part->buried_at = loop->turns;
    lua_pop(L, 1);
}

/* Whether it was closed so long ago that every task has run that the close has woken. */
static bool handle_is_settled(const Handle *handle) {
    bool was_closed = !handle->open && handle->closed_turn != 0 && handle->type->kind != 0;
    return was_closed && (uint32_t)handle->loop->turns - handle->closed_turn > 1;
}

static int handle_finalize(lua_State *L) {
    Handle *handle = handle_check_likely(L);
    if (handle_is_settled(handle)) return 0;
    handle_close(handle);
    if (!handle->loop->closed && handle->loop->ready > 0) handle_bury(L, handle->loop);
    return 0;
}

static int handle_tostring(lua_State *L) {
    handle_push_name(L, handle_check_any(L));
    return 1;
}

void handle_define(lua_State *L, const HandleType *type) {
    static const luaL_Reg common[] = {
        {"__close", handle_close_method},
        {"__tostring", handle_tostring},
        {NULL, NULL},
    };
    lua_pushcfunction(L, handle_close_method);
    lua_setfield(L, -2, "close");
    public_name_functions(L, type->class);
    lua_newtable(L);
    luaL_setfuncs(L, common, 0);
    lua_pushlightuserdata(L, (void *)type);
    lua_pushcclosure(L, handle_finalize, 1);
    lua_setfield(L, -2, "__gc");
    lua_pushstring(L, type->name);
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    if (type->selectable != NULL) selectable_attach(L, type->selectable);
    lua_pushboolean(L, true);
    lua_rawsetp(L, -2, &mark_key);
    lua_rawsetp(L, LUA_REGISTRYINDEX, type);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
    lua_pushstring(L, type->name);
    lua_rawseti(L, -2, type->kind);
    lua_pop(L, 1);
}

void handle_attach_source(lua_State *L, const HandleType *type, const Selectable *selectable) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, type);
    selectable_attach(L, selectable);
    lua_pop(L, 1);
}

void *handle_new(lua_State *L, const HandleType *type, size_t size, int values) {
    Loop *loop = loop_of(L);
    if (loop->closed) loop_check_open(L, loop, lua_pushfstring(L, "new %s", type->name));
    Handle *handle = lua_newuserdatauv(L, size, values);
    memset(handle, 0, size);
    handle->type = type;
    handle->loop = loop;
    lua_rawgetp(L, LUA_REGISTRYINDEX, type);
    lua_setmetatable(L, -2);
    return handle;
}

void handle_opened(Handle *handle) {
    handle->open = true;
    handle_count(handle, 1);
}

void handle_leave(Handle *handle) {
    uint32_t turn = (uint32_t)handle->loop->turns;
    handle->open = false;
    handle->closed_turn = turn != 0 ? turn : 1;
    handle_count(handle, -1);
}

void handle_close(Handle *handle) {
    if (!handle->open) return;
    handle_leave(handle);
    handle->type->close(handle);
}

void handle_become(lua_State *L, int index, const HandleType *type) {
    Handle *handle = lua_touserdata(L, index);
    lua_pushvalue(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, type);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    handle_count(handle, -1);
    handle->type = type;
    handle_count(handle, 1);
}

void handle_push_name(lua_State *L, const Handle *handle) {
    lua_pushfstring(L, "%s ", handle->type->name);
    if (handle->open)
        handle->type->describe(L, handle);
    else
        lua_pushliteral(L, "(closed)");
    lua_concat(L, 2);
}

void handle_describe_wait(lua_State *L, const Handle *handle, const char *doing) {
    handle_push_name(L, handle);
    lua_pushfstring(L, "%s %s", doing, lua_tostring(L, -1));
    lua_replace(L, -2);
}

int handle_set_failed(lua_State *L, const Handle *handle) {
    enum { MOST_ARGUMENTS = 3 };
    for (int index = 1; index <= MOST_ARGUMENTS; index++)
        if (lua_touserdata(L, index) == handle) error_object_note(L, index);
    return 3;
}

int handle_fail(lua_State *L, const Handle *handle, const char *verb, int status) {
    handle_push_name(L, handle);
    error_push(L, status, "%s %s", verb, lua_tostring(L, -1));
    return handle_set_failed(L, handle);
}

int handle_fail_reason(lua_State *L, const Handle *handle, const char *verb, int status,
                       const char *reason) {
    handle_push_name(L, handle);
    error_push_reason(L, status,
                      lua_pushfstring(L, "%s %s: %s", verb, lua_tostring(L, -1), reason));
    return handle_set_failed(L, handle);
}

void handle_push_counts(lua_State *L, const Loop *loop) {
    lua_newtable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
    for (int kind = 1; kind < HANDLE_KINDS; kind++) {
        if (lua_rawgeti(L, -1, kind) == LUA_TSTRING) {
            lua_pushinteger(L, handle_counts(loop)->open[kind]);
            lua_settable(L, -4);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* class(value): "stream", "listener", ...; nil if it is no object of arsenal's. */
static int handle_class(lua_State *L) {
    Handle *handle = handle_test(L, 1);
    lua_pushstring(L, handle != NULL ? handle->type->class : NULL);
    return 1;
}

void handle_open(lua_State *L) {
    if (!loop_need_part(loop_of(L), &counts_key, sizeof(HandleCounts), handle_close_counts))
        luaL_error(L, "not enough memory");
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
    lua_pushcfunction(L, handle_class);
    lua_setfield(L, -2, "class");
}
