/*
** Owns groups: how many tasks each has, and who waits for them. The policy is
** in Lua: a group is made with a function that hears of failures.
*/
#include "task/group.h"

#include "base/error.h"
#include "kernel/task_result.h"
#include "event/run.h"

#include <lauxlib.h>

struct Group {
    Scope scope;
    Loop *loop;
    unsigned active;
    bool open;         /* its scope is on the stack of the task that opened it */
    bool detached;     /* no task ever opens it: its scope is in the tree while tasks are active */
    WaitQueue waiters; /* each for no more than waiter->events active ones */
};

static const char group_name[] = "arsenal.group";
static const char pins_key; /* registry: groups by address, while they are open or have tasks */

/* [-1, +0] pins the object on top, or, when it is nil, unpins. */
static void pin(lua_State *L, Group *group) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, group);
    lua_pop(L, 1);
}

static void unpin_unused(lua_State *L, Group *group) {
    if (group->open || group->active > 0) return;
    lua_pushnil(L);
    pin(L, group);
}

/* open(failed): a group inside the running task; failed(err, traceback, task, attachment). */
static int group_new(lua_State *L) {
    Loop *loop = loop_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    Task *task = task_enter(L, loop);
    if (task == NULL) return luaL_error(L, "a group is opened inside a task");
    Group *group = lua_newuserdatauv(L, sizeof *group, 1);
    *group = (Group){.loop = loop};
    luaL_setmetatable(L, group_name);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    pin(L, group);
    group->open = true;
    scope_enter(&group->scope, task->scope, task, SCOPE_GROUP);
    return 1;
}

/* detached(failed): the same for no call: it can be cancelled, and takes tasks anew after that. */
static int group_detached(lua_State *L) {
    Loop *loop = loop_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    Group *group = lua_newuserdatauv(L, sizeof *group, 1);
    *group = (Group){.loop = loop, .detached = true, .scope.kind = SCOPE_GROUP};
    luaL_setmetatable(L, group_name);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

Group *group_check(lua_State *L, int index) {
    return luaL_checkudata(L, index, group_name);
}

unsigned group_count(const Group *group) {
    return group->active;
}

void group_cancel_tasks(Group *group) {
    if (group->active > 0) scope_cancel(&group->scope);
}

/* group:go(fn, ...) starts a task that ends before the group does. */
static int group_go(lua_State *L) {
    Group *group = group_check(L, 1);
    task_check_function(L, 2);
    if (!group->open) return luaL_error(L, "cannot start a task in a group that has ended");
    task_spawn_shown(L, group->loop, &group->scope, lua_gettop(L) - 2)->group = group;
    group->active++;
    return 1;
}

/* start(group, attachment, fn, ...): the same; the attachment is closed when the task ends. */
static int group_start(lua_State *L) {
    Group *group = group_check(L, 1);
    if (group->detached) {
        lua_pushvalue(L, 1);
        pin(L, group);
    }
    task_spawn(L, group->loop, &group->scope, lua_gettop(L) - 3, 2)->group = group;
    if (group->detached && group->active == 0) scope_attach(&group->scope, &group->loop->root);
    group->active++;
    return 0;
}

/* group:cancel() ends all of it: the tasks, and the function that opened it. */
static int group_cancel(lua_State *L) {
    Group *group = group_check(L, 1);
    if (group->open) scope_cancel(&group->scope);
    return 0;
}

/* failed(err, traceback, task, attachment), of which no error leaves. */
static void tell_of_failure(lua_State *L, Group *group, int object, int attachment) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_rawgetp(L, -1, group);
    lua_getiuservalue(L, -1, 1);
    task_push_failure(L, object);
    lua_pushvalue(L, object);
    attachment != 0 ? lua_pushvalue(L, attachment) : lua_pushnil(L);
    if (lua_pcall(L, 4, 0, 0) == LUA_OK) return;
    lua_pushnil(L);
    lua_pushvalue(L, object);
    task_report(L);
}

void group_task_ended(lua_State *L, Task *task, int object, int attachment) {
    Group *group = task->group;
    if (task->state == TASK_FAILED && object != 0) tell_of_failure(L, group, object, attachment);
    if (attachment != 0 && luaL_getmetafield(L, attachment, "__close") != LUA_TNIL) {
        lua_pushvalue(L, attachment);
        lua_call(L, 1, 0);
    }
    group->active--;
    if (group->detached && group->active == 0) scope_detach(&group->scope);
    wait_queue_wake_satisfied(&group->waiters, group->active);
    unpin_unused(L, group);
}

static int wait_step(lua_State *L) {
    (void)L;
    return 0;
}

static void describe_wait(lua_State *L, Task *task) {
    Group *group = task->object;
    lua_pushfstring(L, "waiting for the %d tasks of a group", (int)group->active);
}

static const WaitKind group_wait_kind = {wait_step, NULL, describe_wait};

/* wait(group, n): waits until no more than n of its tasks are active. */
static int group_wait(lua_State *L) {
    Group *group = group_check(L, 1);
    unsigned enough = (unsigned)luaL_checkinteger(L, 2);
    Task *task = task_enter(L, group->loop);
    if (task == NULL) return run_outside(L);
    if (group->active <= enough) return 0;
    task->waiter.events = enough;
    waiter_join(&task->waiter, &group->waiters, NULL);
    return task_wait(L, task, &group_wait_kind, group);
}

/* is_cancelled(group): whether the group itself was, and not only what it is in. */
static int group_is_cancelled(lua_State *L) {
    lua_pushboolean(L, group_check(L, 1)->scope.cancelled);
    return 1;
}

/* leave(group): its scope is left; no task of it is active. */
static int group_leave(lua_State *L) {
    Group *group = group_check(L, 1);
    group->open = false;
    scope_leave(&group->scope);
    unpin_unused(L, group);
    return 0;
}

void group_abandon(Scope *scope) {
    Group *group = (Group *)scope;
    Task *owner = scope->task;
    scope_cancel(scope);
    scope_leave(scope);
    scope_move_children(scope, &owner->loop->root);
    group->open = false;
}

static int group_active(lua_State *L) {
    lua_pushinteger(L, group_check(L, 1)->active);
    return 1;
}

static int group_tostring(lua_State *L) {
    Group *group = group_check(L, 1);
    lua_pushfstring(L, "group of %d tasks", (int)group->active);
    return 1;
}

static const luaL_Reg methods[] = {
    {"go", group_go},
    {"cancel", group_cancel},
    {NULL, NULL},
};

/* what Lua's part of groups is built on */
static const luaL_Reg functions[] = {
    {"group_new", group_new},
    {"group_detached", group_detached},
    {"group_start", group_start},
    {"group_wait", group_wait},
    {"group_cancel", group_cancel},
    {"group_is_cancelled", group_is_cancelled},
    {"group_leave", group_leave},
    {"group_active", group_active},
    {NULL, NULL},
};

void group_open(lua_State *L) {
    luaL_newmetatable(L, group_name);
    lua_pushcfunction(L, group_tostring);
    lua_setfield(L, -2, "__tostring");
    luaL_newlibtable(L, methods);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_setfield(L, -3, "group_methods");
    lua_pop(L, 1);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pins_key);
    luaL_setfuncs(L, functions, 0);
}
