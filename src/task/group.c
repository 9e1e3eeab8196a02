/*
** Owns groups: how many tasks each has, and which tasks wait for them. A group is
** opened, run and left in one call, so that no error can leave its scope behind.
** Lua code decides what a failure means: a group has a function that is called for
** each failure.
*/
#include "task/group.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/background.h"
#include "kernel/cancellation.h"
#include "kernel/public.h"
#include "kernel/scope_guard.h"
#include "kernel/task.h"
#include "kernel/task_result.h"
#include "kernel/traceback.h"
#include "object/handle.h"

typedef struct Group {
    const void *mark; /* what shows that a userdata is a group */
    TaskOwner owner, background_owner;
    Scope scope;
    Scope drain; /* the shield in which the last tasks are waited for */
    Loop *loop;
    unsigned active;     /* tasks that have not ended */
    unsigned background; /* of these, the ones that the group does not wait for; 0 once it drains */
    bool is_draining;    /* it waits for the last tasks, which were cancelled */
    bool is_in_background; /* it was opened in a background task: see background.h */
    bool is_open;          /* its scope is on the stack of the task that opened it */
    bool has_failed;       /* its function has */
    bool has_lost;         /* it was cancelled because of such a failure of a task */
    bool was_cut;          /* a cancellation from outside has ended a task, or the wait for all */
    WaitQueue waiters;     /* each waits until no more tasks are awaited than its threshold */
} Group;

static const char group_name[] = "arsenal.group";
static const char pins_key; /* registry: groups by address, while they have tasks */

static Group *group_check(lua_State *L, int index) {
    Group *group = lua_touserdata(L, index);
    if (group == NULL || lua_rawlen(L, index) != sizeof *group || group->mark != &pins_key)
        luaL_typeerror(L, index, group_name);
    return group;
}

/* How many tasks have to end before the group does. */
static unsigned group_awaited(const Group *group) {
    return group->active - group->background;
}

/* [-1, +0] pins the object on top, or, when it is nil, unpins. */
static void group_pin(lua_State *L, Group *group) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, group);
    lua_pop(L, 1);
}

/* --- failures and ends --- */

/* Calls failed(err, traceback, task, attachment). Returns false, with an error on top, if that fails. */
static bool group_call_failed(lua_State *L, const Group *group, int object, int attachment) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
    lua_rawgetp(L, -1, group);
    lua_getiuservalue(L, -1, 1);
    task_push_failure(L, object);
    if (object == 0) {
        lua_pop(L, 1);
        return false;
    }
    lua_pushvalue(L, object);
    attachment != 0 ? lua_pushvalue(L, attachment) : lua_pushnil(L);
    return lua_pcall(L, 4, 0, 0) == LUA_OK;
}

static void group_report_failure(lua_State *L, Group *group, int object, int attachment) {
    if (group_call_failed(L, group, object, attachment)) return;
    group->has_lost = true;
    scope_cancel(&group->scope);
}

/* No error may leave this: the end of the task would not be counted. */
static void group_close_attachment(lua_State *L, int attachment) {
    Handle *handle = handle_test(L, attachment);
    if (handle != NULL) {
        handle_close(handle);
        return;
    }
    if (luaL_getmetafield(L, attachment, "__close") == LUA_TNIL) return;
    lua_pushvalue(L, attachment);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
    lua_pushnil(L);
    lua_pushnil(L);
    task_report(L);
}

static void group_count_end(lua_State *L, Group *group, const Task *task, int object,
                            int attachment) {
    if (task->state == TASK_FAILED) group_report_failure(L, group, object, attachment);
    if (attachment != 0) group_close_attachment(L, attachment);
    group->active--;
    wait_queue_wake_at(&group->waiters, group_awaited(group));
    if (group->active > 0) return;
    lua_pushnil(L);
    group_pin(L, group);
}

static void group_task_ended(lua_State *L, Task *task, int object, int attachment) {
    Group *group = container_of(task->owner, Group, owner);
    if (task->state == TASK_CANCELLED && group->scope.doomed && !group->scope.cancelled)
        group->was_cut = true;
    group_count_end(L, group, task, object, attachment);
}

static void group_background_ended(lua_State *L, Task *task, int object, int attachment) {
    Group *group = container_of(task->owner, Group, background_owner);
    if (!group->is_draining) group->background--;
    group_count_end(L, group, task, object, attachment);
}

/* --- leaving --- */

static void group_leave(Group *group) {
    scope_abandon_inner(&group->scope);
    scope_cancel_children(&group->scope, &group->loop->root);
    scope_leave(&group->scope);
    group->is_open = false;
}

/* Leaves a group whose call has ended or will never go on. */
static void group_lost(Scope *scope) {
    Group *group = container_of(scope, Group, scope);
    if (group->is_open) group_leave(group);
}

static const ScopeType group_type = {false, group_lost};
static const ScopeType drain_type = {true, scope_leave};

/* --- waiting --- */

static int group_wait_step(lua_State *L, Task *task) {
    (void)L, (void)task;
    return 0;
}

static void group_describe_wait(lua_State *L, Task *task) {
    const Group *group = task->object;
    lua_pushfstring(L, "waiting for the %d tasks of a group", (int)group_awaited(group));
}

static const WaitKind group_wait_kind = {group_wait_step, NULL, group_describe_wait};

/* wait(group, n): waits until no more than n of its tasks are awaited. */
static int group_wait(lua_State *L) {
    Group *group = group_check(L, 1);
    unsigned enough = (unsigned)luaL_optinteger(L, 2, 0);
    Task *task = task_enter(L, group->loop);
    if (task == NULL) return run_outside(L);
    if (group_awaited(group) <= enough) return 0;
    task->waiter.threshold = enough;
    waiter_join(&task->waiter, &group->waiters, NULL);
    return task_wait(L, task, &group_wait_kind, group);
}

/* --- opening, running and leaving one --- */

/* [-0, +1] a group that calls the function at `failed` for each failure. */
static Group *group_make(lua_State *L, int failed) {
    Group *group = lua_newuserdatauv(L, sizeof *group, 1);
    *group = (Group){.mark = &pins_key,
                     .loop = loop_of(L),
                     .owner = {group_task_ended},
                     .background_owner = {group_background_ended}};
    luaL_setmetatable(L, group_name);
    lua_pushvalue(L, failed);
    lua_setiuservalue(L, -2, 1);
    return group;
}

/* The stack of a run. Its function is followed by the arguments; their place is later the results'. */
enum { RUN_GROUP = 1, RUN_GUARD, RUN_HANDLER, RUN_FUNCTION };

/* [-1, +0] the error on top, and its traceback, take the place of all results. */
static void group_fail(lua_State *L, Group *group) {
    group->has_failed = true;
    lua_copy(L, -1, RUN_FUNCTION);
    lua_settop(L, RUN_FUNCTION);
    traceback_push(L);
    lua_getiuservalue(L, RUN_GROUP, 1);
    lua_pushvalue(L, RUN_FUNCTION);
    lua_pushvalue(L, RUN_FUNCTION + 1);
    lua_pcall(L, 2, 0, 0);
    lua_settop(L, RUN_FUNCTION + 1);
}

/*
** Returns whether a cancellation of the group has ended it, whether its function has
** succeeded, and the rest.
*/
static int group_end_run(lua_State *L, Group *group) {
    const Task *task = group->loop->running;
    const Scope *around = task == NULL ? &group->loop->root : task->scopes.innermost;
    if (group->has_lost) {
        group->has_failed = true;
        lua_settop(L, RUN_HANDLER);
        lua_pushliteral(L, "not enough memory");
    } else if (group->was_cut && !group->has_failed && around->doomed) {
        group->has_failed = true;
        lua_settop(L, RUN_HANDLER);
        cancellation_push(L, around);
    }
    bool is_other_error = group->has_failed && !cancellation_is(L, RUN_FUNCTION);
    lua_pushboolean(L, group->scope.cancelled && !is_other_error);
    lua_replace(L, RUN_GUARD);
    lua_pushboolean(L, !group->has_failed);
    lua_replace(L, RUN_HANDLER);
    return lua_gettop(L) - RUN_GROUP;
}

/* All tasks have ended, unless an error has cut the wait for them short. */
static int group_drained(lua_State *L, int status, lua_KContext context) {
    Group *group = (Group *)context;
    if (!traceback_is_success(status)) group_fail(L, group);
    scope_guard_end(L, RUN_GUARD);
    group_lost(&group->scope);
    cancellation_drop_reason(L, &group->scope);
    return group_end_run(L, group);
}

/* Cancels the tasks that are left. From here on, background tasks are waited for as the others are. */
static void group_begin_drain(Group *group) {
    group->is_draining = true;
    group->background = 0;
    scope_cancel(&group->scope);
}

/*
** The tasks have ended, or the wait for them was cut off: those that are left are
** cancelled. There is no stack if Lua's own resume goes on with a suspended
** generator: nothing can wait there.
*/
static int group_waited(lua_State *L, int status, lua_KContext context) {
    Group *group = (Group *)context;
    ScopeStack *stack = group->scope.stack;
    if (!traceback_is_success(status)) {
        bool is_cut = cancellation_is(L, -1);
        group->was_cut |= is_cut;
        is_cut ? lua_pop(L, 1) : group_fail(L, group);
    }
    if (group->was_cut || group->has_failed) scope_cancel(&group->scope);
    status = LUA_OK;
    if (group->is_open && group->active > 0) {
        group_begin_drain(group);
        scope_abandon_inner(&group->scope);
        if (stack != NULL) scope_enter(&group->drain, &group->scope, stack, &drain_type, L);
        lua_pushcfunction(L, group_wait);
        lua_pushvalue(L, RUN_GROUP);
        status = lua_pcallk(L, 1, 0, RUN_HANDLER, context, group_drained);
    }
    return group_drained(L, status, context);
}

/* The function has ended: waits for the tasks, until a cancellation from outside cuts that off. */
static int group_body_done(lua_State *L, int status, lua_KContext context) {
    Group *group = (Group *)context;
    if (!lua_checkstack(L, LUA_MINSTACK)) {
        lua_settop(L, RUN_FUNCTION - 1);
        lua_pushliteral(L, "too many results of a group's function");
        status = LUA_ERRRUN;
    }
    if (!traceback_is_success(status)) group_fail(L, group);
    status = LUA_OK;
    if (!group->has_failed && group_awaited(group) > 0) {
        lua_pushcfunction(L, group_wait);
        lua_pushvalue(L, RUN_GROUP);
        status = lua_pcallk(L, 1, 0, RUN_HANDLER, context, group_waited);
    }
    return group_waited(L, status, context);
}

/*
** group_run(failed, fn, ...): calls fn(group, ...) in a new group inside the
** running task, and waits for all its tasks; failed(err, traceback, task,
** attachment) is called for each failure, that of fn without a task. Returns
** whether a cancellation of the group ended it, and true and fn's results, or
** false, its error and traceback. If failed raises an error, for example for lack
** of memory, the group is cancelled, and its result is a failure.
*/
static int group_run(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    Task *task = task_enter_now(L, loop_of(L));
    if (task == NULL) return luaL_error(L, "a group is opened inside a task");
    if (task_spent(task->loop)) return task_pause_before(L, task);
    Group *group = group_make(L, 1);
    group->is_in_background = task->background;
    lua_replace(L, RUN_GROUP);
    scope_guard_push(L, task);
    lua_pushcfunction(L, traceback_handler);
    lua_rotate(L, RUN_GUARD, 2);
    lua_pushvalue(L, RUN_GROUP);
    lua_insert(L, RUN_FUNCTION + 1);
    scope_guard_keep(L, RUN_GUARD, RUN_GROUP);
    scope_guard_begin(L, RUN_GUARD, &group->scope, group_lost);
    scope_enter(&group->scope, task->scopes.innermost, &task->scopes, &group_type, L);
    group->is_open = true;
    lua_KContext context = (lua_KContext)group;
    int n = lua_gettop(L) - RUN_FUNCTION;
    int status = lua_pcallk(L, n, LUA_MULTRET, RUN_HANDLER, context, group_body_done);
    return group_body_done(L, status, context);
}

/* --- starting tasks, and the rest --- */

/* The group at that index is about to get a task. */
static void group_pin_first(lua_State *L, int index) {
    Group *group = lua_touserdata(L, index);
    if (group->active > 0) return;
    lua_pushvalue(L, index);
    group_pin(L, group);
}

void group_check_open(lua_State *L, int index) {
    if (!group_check(L, index)->is_open)
        luaL_error(L, "cannot start a task in a group that has ended");
}

/* [-0, +1] (group, fn, ...) */
static Task *group_spawn_shown(lua_State *L, Group *group) {
    task_check_function(L, 2);
    group_check_open(L, 1);
    group_pin_first(L, 1);
    Task *task = task_spawn_shown(L, group->loop, &group->scope, lua_gettop(L) - 2);
    group->active++;
    return task;
}

int group_go(lua_State *L) {
    Group *group = group_check(L, 1);
    Task *task = group_spawn_shown(L, group);
    task->owner = &group->owner;
    if (group->is_in_background) background_add(task);
    return 1;
}

/* group:background(fn, ...): the same; it is cancelled when no other task of the group is left. */
static int group_background(lua_State *L) {
    Group *group = group_check(L, 1);
    Task *task = group_spawn_shown(L, group);
    task->owner = &group->background_owner;
    background_add(task);
    if (!group->is_draining) group->background++;
    return 1;
}

Task *group_spawn(lua_State *L, int index, int n, int attachment) {
    Group *group = group_check(L, index);
    group_check_open(L, index);
    group_pin_first(L, index);
    Task *task = task_spawn(L, group->loop, &group->scope, n, attachment);
    task->owner = &group->owner;
    if (group->is_in_background) background_add(task);
    group->active++;
    return task;
}

/* start(group, attachment, fn, ...): the same; the attachment is closed when the task ends. */
static int group_start(lua_State *L) {
    group_spawn(L, 1, lua_gettop(L) - 3, 2);
    return 0;
}

/* group:cancel([reason]) cancels the group's tasks, and the function that the group was opened with. */
static int group_cancel(lua_State *L) {
    Group *group = group_check(L, 1);
    if (!group->is_open || group->scope.cancelled) return 0;
    if (!lua_isnoneornil(L, 2)) cancellation_set_reason(L, &group->scope, 2);
    scope_cancel(&group->scope);
    return 0;
}

/* The scope of that task of the group inside which the running task runs, or NULL. */
static const Scope *group_task_around(const Group *group) {
    const Task *running = group->loop->running;
    const Scope *scope = running == NULL ? NULL : running->scopes.innermost;
    while (scope != NULL && scope->parent != &group->scope)
        scope = scope->parent;
    return scope;
}

/* within(group): whether the running task is one of its tasks, or runs inside one, in a group of that task. */
static int group_within(lua_State *L) {
    lua_pushboolean(L, group_task_around(group_check(L, 1)) != NULL);
    return 1;
}

/* cancel_others(group): cancels its tasks, but for the one inside which the running task runs. */
static int group_cancel_others(lua_State *L) {
    const Group *group = group_check(L, 1);
    const Scope *own = group_task_around(group);
    const List *scopes = &group->scope.children;
    for (ListNode *node = scopes->first; node != NULL; node = list_next(scopes, node)) {
        Scope *scope = container_of(node, Scope, sibling);
        if (scope != own && scope->stack != group->scope.stack) scope_cancel(scope);
    }
    return 0;
}

static int group_active(lua_State *L) {
    lua_pushinteger(L, group_check(L, 1)->active);
    return 1;
}

/* An open group is collected only if user code has closed the coroutine that opened it. */
static int group_gc(lua_State *L) {
    Group *group = group_check(L, 1);
    if (!group->loop->closed) group_lost(&group->scope);
    cancellation_drop_reason(L, &group->scope);
    return 0;
}

static int group_tostring(lua_State *L) {
    const Group *group = group_check(L, 1);
    lua_pushfstring(L, "group of %d tasks", (int)group->active);
    return 1;
}

static const luaL_Reg group_methods[] = {
    {"go", group_go},
    {"background", group_background},
    {"cancel", group_cancel},
    {NULL, NULL},
};

static const luaL_Reg group_functions[] = {
    {"group_run", group_run},
    {"group_start", group_start},
    {"group_wait", group_wait},
    {"group_cancel", group_cancel},
    {"group_cancel_others", group_cancel_others},
    {"group_within", group_within},
    {"group_active", group_active},
    {NULL, NULL},
};

void group_open(lua_State *L) {
    luaL_newmetatable(L, group_name);
    lua_pushcfunction(L, group_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushcfunction(L, group_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newlibtable(L, group_methods);
    luaL_setfuncs(L, group_methods, 0);
    public_name_functions(L, "group");
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_setfield(L, -3, "group_methods");
    lua_pop(L, 1);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pins_key);
    luaL_setfuncs(L, group_functions, 0);
}
