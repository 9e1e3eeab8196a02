/*
** Owns select. It tries its cases, beginning with a random one; if none is ready,
** it waits on all of them and tries again. The task that wakes a select may also
** perform the case for it: see handoff.h. Select knows each case only as a
** Selectable.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/claim_port.h"
#include "event/run.h"
#include "kernel/coroutine.h"
#include "kernel/order.h"
#include "object/handoff.h"
#include "object/selectable.h"

#include <stdlib.h>
#include <string.h>

/* The stack: from FIRST on, for each case, its object, its value or nil, and its selectable. */
enum { CASES = 1, TIMEOUT, SELECT, FIRST, OBJECT = 0, VALUE, SELECTABLE, SLOTS };

enum { USUAL_ROOM = 4, MOST_SPARES = 64, MOST_DESCRIBED = 4, MOST_CASES = 100000 };

typedef struct SelectCase {
    Waiter waiter;
    void *object;
    const Selectable *selectable;
    void *record; /* of a SharedSelectable; NULL: it does not wait */
} SelectCase;

typedef struct Select {
    Task *task;      /* NULL: it waits on nothing */
    int count, room; /* the cases that it waits on */
    SelectCase cases[];
} Select;

static const char select_name[] = "arsenal.select";
static const char spares_key; /* registry: a list of selects that no call uses */

typedef struct SelectPart {
    LoopPart part;
    unsigned spares; /* how many are in that list */
} SelectPart;

static const char select_key;

static void select_close(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

static int select_slot(int index, int which) {
    return FIRST + SLOTS * index + which;
}

static int select_count(lua_State *L) {
    return (int)lua_tointeger(L, CASES);
}

/* --- waiting on all cases --- */

/* A waiter that has left its queue was woken: its object may be gone, and is not touched. */
static void select_unwatch(SelectCase *each) {
    if (each->record != NULL) selectable_shared(each->selectable)->unwatch(each->record);
    each->record = NULL;
    if (each->waiter.queue == NULL) return;
    waiter_leave(&each->waiter);
    if (each->selectable->unwatch != NULL) each->selectable->unwatch(each->object);
}

/* The task's claim is in use while it waits on an object that other threads use. */
static void select_unwatch_all(Select *select) {
    Task *task = select->task;
    if (task->claimed) claim_close(task->claim);
    for (int i = 0; i < select->count; i++)
        select_unwatch(&select->cases[i]);
    if (task->claimed) claim_end(task->claim);
    select->count = 0;
    select->task = NULL;
}

static void select_forget(Task *task) {
    select_unwatch_all(task->object);
}

/* It still waits only if user code has closed its coroutine: so the task is woken, and ends. */
static int select_gc(lua_State *L) {
    Select *select = lua_touserdata(L, 1);
    Task *task = select->task;
    if (task == NULL || task->loop->closed) return 0;
    select_unwatch_all(select);
    waiter_wake(&task->waiter, ARSENAL_CLOSED);
    task->object = NULL;
    return 0;
}

/* Puts a select that no call uses at SELECT; false: there is none. */
static bool select_take_spare(lua_State *L, Loop *loop) {
    SelectPart *part = loop_part(loop, &select_key);
    if (select_count(L) > USUAL_ROOM || part->spares == 0) return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &spares_key);
    lua_rawgeti(L, -1, part->spares--);
    lua_replace(L, SELECT);
    lua_pop(L, 1);
    return true;
}

/* Puts a new select at SELECT. Finalizers may run. */
static void select_make(lua_State *L) {
    int n = select_count(L), room = n <= USUAL_ROOM ? USUAL_ROOM : n;
    Select *select = lua_newuserdatauv(L, sizeof *select + (size_t)room * sizeof(SelectCase), 0);
    memset(select, 0, sizeof *select);
    select->room = room;
    luaL_setmetatable(L, select_name);
    lua_replace(L, SELECT);
}

/* The select at SELECT is not used any more: it becomes a spare one if it is of the usual size. */
static void select_put_spare(lua_State *L, Loop *loop, const Select *select) {
    SelectPart *part = loop_part(loop, &select_key);
    if (select->room != USUAL_ROOM || part->spares == MOST_SPARES) return;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &spares_key);
    lua_pushvalue(L, SELECT);
    lua_rawseti(L, -2, ++part->spares);
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_replace(L, SELECT);
}

/* [-0, +4] the case's object and a failure. */
static int select_fail(lua_State *L, int index, int status) {
    lua_pushvalue(L, select_slot(index, OBJECT));
    return 1 + error_push(L, status, "select");
}

static void select_init_case(lua_State *L, SelectCase *each, Task *task, int index) {
    *each = (SelectCase){.waiter.task = task,
                         .waiter.value = select_slot(index, VALUE),
                         .object = lua_touserdata(L, select_slot(index, OBJECT)),
                         .selectable = lua_touserdata(L, select_slot(index, SELECTABLE))};
}

static void select_describe(lua_State *L, Task *task);
static int select_step(lua_State *L, Task *task);

static const WaitKind select_wait = {select_step, select_forget, select_describe};

/* Returns 0, a status, or more than 0 if the case may be ready. */
static int select_watch(lua_State *L, Select *select, Task *task, int index) {
    SelectCase *each = &select->cases[index];
    select_init_case(L, each, task, index);
    const SharedSelectable *shared = selectable_shared(each->selectable);
    if (shared == NULL) return each->selectable->watch(each->object, &each->waiter);
    int status = task->claimed ? 0 : claim_begin(task);
    if (status != 0) return status;
    return shared->watch(L, select_slot(index, OBJECT), select_slot(index, VALUE), task->claim,
                         &each->record);
}

/* Returns 0, or what the case at *index has returned: no case is waited on after it. */
static int select_watch_all(lua_State *L, Select *select, Task *task, int *index) {
    int n = select_count(L), status = 0;
    select->task = task;
    for (*index = 0; *index < n && status == 0; ++*index) {
        status = select_watch(L, select, task, *index);
        if (status == 0) select->count++;
    }
    --*index;
    return status;
}

/* --- trying --- */

/* [-0, +results] the results of a case's call, or -1 where it would wait. */
static int select_attempt(lua_State *L, int index) {
    int top = lua_gettop(L);
    const Selectable *selectable = lua_touserdata(L, select_slot(index, SELECTABLE));
    lua_pushcfunction(L, selectable->attempt);
    lua_pushvalue(L, select_slot(index, OBJECT));
    lua_pushvalue(L, select_slot(index, VALUE));
    lua_call(L, 2, LUA_MULTRET);
    int results = lua_gettop(L) - top;
    if (results == 1 && selectable_has_no_results(L, -1)) {
        lua_pop(L, 1);
        return 0;
    }
    return results > 0 ? results : -1;
}

/* [-results, +results + 1] puts the case's object before the results on top. */
static int select_finish(lua_State *L, int index, int results) {
    lua_pushvalue(L, select_slot(index, OBJECT));
    lua_insert(L, -results - 1);
    return results + 1;
}

/* The case to try first: a random one, so that each case gets its chance. */
static int select_first_case(Loop *loop, int n) {
    return (int)order_choose(loop, (unsigned)n);
}

/* Performs the first case that is ready. Returns the call's results, or 0 if none is ready. */
static int select_try_all(lua_State *L, int first) {
    int n = select_count(L);
    for (int i = 0; i < n; i++) {
        int index = first + i < n ? first + i : first + i - n;
        int results = select_attempt(L, index);
        if (results >= 0) return select_finish(L, index, results);
    }
    return 0;
}

/*
** Performs the first case that is ready, or returns 0 with a select at SELECT. Between
** the last attempt and the wait no finalizer may run: it could make a case ready.
*/
static int select_try(lua_State *L, const Task *task, int first) {
    int results = select_try_all(L, first);
    if (results > 0) return results;
    if (!lua_toboolean(L, TIMEOUT))
        return error_push_reason(L, ARSENAL_TIMEOUT, "select: no case is ready");
    if (select_take_spare(L, task->loop)) return 0;
    select_make(L);
    return select_try_all(L, first);
}

/* --- the end of a wait --- */

/* The case that woke the task, or -1; *served: the case was performed. */
static int select_find_fired(const Select *select, bool *served) {
    int fired = -1;
    *served = false;
    for (int i = 0; i < select->count && !*served; i++) {
        const Waiter *waiter = &select->cases[i].waiter;
        *served = waiter->served;
        bool is_shared = select->cases[i].record != NULL;
        if (waiter->queue == NULL && !is_shared && (fired < 0 || *served)) fired = i;
    }
    return fired;
}

/* The case that another thread has performed: its record is the caller's. -1: there is none. */
static int select_take_performed(Select *select, void **record) {
    if (task_claim_wait(select->task)) return -1;
    for (int i = 0; i < select->count; i++) {
        SelectCase *each = &select->cases[i];
        if (each->record == NULL || !selectable_shared(each->selectable)->was_served(each->record))
            continue;
        *record = each->record;
        each->record = NULL;
        return i;
    }
    return -1;
}

/* [-0, +results] */
static int select_finish_performed(lua_State *L, int index, void *record) {
    const Selectable *selectable = lua_touserdata(L, select_slot(index, SELECTABLE));
    int results = selectable_shared(selectable)->finish(L, select_slot(index, OBJECT), record);
    return results > 0 ? select_finish(L, index, results) : 0;
}

/*
** Ends the wait on all cases. Returns the results of a case that another thread or task
** has performed; or 0, and which case has woken the task in *fired, or -1.
*/
static int select_conclude(lua_State *L, Task *task, Select *select, int *fired) {
    bool served;
    void *record;
    int n = select_count(L), performed = select_take_performed(select, &record);
    *fired = select_find_fired(select, &served);
    select_unwatch_all(select);
    select_put_spare(L, task->loop, select);
    int results = performed < 0 ? 0 : select_finish_performed(L, performed, record);
    if (results > 0) return results;
    return served ? select_finish(L, *fired, lua_gettop(L) - select_slot(n, 0) + 1) : 0;
}

/* --- waiting --- */

/*
** Whether the task can sleep. Watching a shared object may run finalizers, which may have
** used the objects of the cases before it: a task that does not sleep yet is not woken.
*/
static bool select_is_undisturbed(const Select *select) {
    const Task *task = select->task;
    if (!task->claimed) return true;
    for (int i = 0; i < select->count; i++) {
        const SelectCase *each = &select->cases[i];
        if (each->record == NULL && each->waiter.queue == NULL) return false;
    }
    return claim_is_open(task->claim) && !task->scopes.innermost->doomed;
}

/*
** Waits; or returns the results of a case or of a failure, or 0 if the cases should be
** tried again. In a cancelled task nothing is watched, so that no other thread performs a
** case of a call which raises.
*/
static int select_wait_for_any(lua_State *L, Task *task) {
    Select *select = lua_touserdata(L, SELECT);
    int index, fired;
    if (task->scopes.innermost->doomed) return task_wait(L, task, &select_wait, NULL);
    int status = select_watch_all(L, select, task, &index);
    if (status == 0 && select_is_undisturbed(select))
        return task_wait(L, task, &select_wait, select);
    int results = select_conclude(L, task, select, &fired);
    return results == 0 && status < 0 ? select_fail(L, index, status) : results;
}

/* Performs the first case that is ready; waits if none is. */
static int select_try_or_wait(lua_State *L, Task *task, int first) {
    int results = 0;
    while (results == 0) {
        results = select_try(L, task, first);
        if (results == 0) results = select_wait_for_any(L, task);
    }
    return results;
}

static int select_step(lua_State *L, Task *task) {
    Select *select = lua_touserdata(L, SELECT);
    int fired = -1;
    if (select != NULL) {
        int results = select_conclude(L, task, select, &fired);
        if (results > 0) return results;
        if (task->status == ARSENAL_TIMEOUT)
            return error_push_reason(L, ARSENAL_TIMEOUT, "select: timed out");
    }
    return select_try_or_wait(L, task,
                              fired >= 0 ? fired : select_first_case(task->loop, select_count(L)));
}

/* --- the description of a wait --- */

/* [-0, +1] names the objects of the cases, which are on the coroutine's stack. */
static void select_describe(lua_State *L, Task *task) {
    const Select *select = task->object;
    lua_State *co = task->top;
    luaL_Buffer text;
    if (!coroutine_task_is_whole(task)) {
        lua_pushliteral(L, "selecting");
        return;
    }
    luaL_buffinit(L, &text);
    luaL_addstring(&text, "selecting among ");
    for (int i = 0; i < select->count && i < MOST_DESCRIBED; i++) {
        if (i > 0) luaL_addstring(&text, ", ");
        lua_pushvalue(co, select_slot(i, OBJECT));
        lua_xmove(co, L, 1);
        luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
        luaL_addvalue(&text);
    }
    if (select->count > MOST_DESCRIBED) luaL_addstring(&text, ", and others");
    luaL_pushresult(&text);
}

/* --- the call --- */

static int select_refuse_case(lua_State *L, int index, const char *what) {
    return luaL_argerror(L, CASES, lua_pushfstring(L, "case %d: %s", index + 1, what));
}

static int select_refuse_value(lua_State *L, int index) {
    const char *name = luaL_typename(L, -1);
    if (luaL_getmetafield(L, -1, "__name") == LUA_TSTRING) name = lua_tostring(L, -1);
    return select_refuse_case(
        L, index,
        lua_pushfstring(L,
                        "channel, task, stream or another object to select on, or "
                        "{channel, value}, expected; got %s",
                        name));
}

/* [-1, +3] replaces the case on top by its object, value and selectable. */
static void select_push_case(lua_State *L, int index) {
    const Selectable *selectable = selectable_of(L, -1);
    if (selectable != NULL) {
        lua_pushnil(L);
    } else if (lua_istable(L, -1)) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        lua_remove(L, -3);
        selectable = selectable_of(L, -2);
        if (selectable != NULL) selectable = selectable->sending;
        if (selectable == NULL) select_refuse_case(L, index, "nothing can be sent to its object");
        if (lua_isnil(L, -1)) select_refuse_case(L, index, "its value is nil");
        const SharedSelectable *shared = selectable_shared(selectable);
        if (shared != NULL) shared->check(L, lua_gettop(L), index + 1);
    } else {
        select_refuse_value(L, index);
    }
    lua_pushlightuserdata(L, (void *)selectable);
}

/*
** [cases, timeout] becomes the stack of a call. It has room for an attempt's own
** stack, because growing the stack could run finalizers.
*/
static void select_push_cases(lua_State *L, int n) {
    luaL_checkstack(L, SLOTS * n + 2 * LUA_MINSTACK, "too many cases");
    lua_pushnil(L); /* SELECT */
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, CASES, i + 1);
        select_push_case(L, i);
    }
}

/*
** select(cases [, timeout]) waits until one of the cases is ready, and performs
** it: returns the object, and the results of its call. A case is an object, whose
** receiving call is made, or {channel, value}. nil, message, "TIMEOUT" if none was
** ready in time; with a timeout of 0 it does not wait.
*/
static int select_any(lua_State *L) {
    Loop *loop = loop_of(L);
    luaL_checktype(L, CASES, LUA_TTABLE);
    uint64_t timeout = args_duration(L, TIMEOUT);
    lua_Unsigned n = lua_rawlen(L, CASES);
    luaL_argcheck(L, n > 0, CASES, "at least one case expected");
    luaL_argcheck(L, n <= MOST_CASES, CASES, "too many cases");
    lua_settop(L, TIMEOUT);
    select_push_cases(L, (int)n);
    Task *task = task_enter(L, loop);
    if (task == NULL) {
        lua_settop(L, TIMEOUT);
        return run_outside(L);
    }
    lua_pushinteger(L, (lua_Integer)n);
    lua_replace(L, CASES);
    lua_pushboolean(L, timeout > 0);
    lua_replace(L, TIMEOUT);
    task_set_timeout(task, timeout);
    if (task_spent(loop)) return task_pause(L, task, &select_wait, NULL);
    return select_try_or_wait(L, task, select_first_case(loop, (int)n));
}

static const luaL_Reg functions[] = {
    {"select", select_any},
    {NULL, NULL},
};

void select_open(lua_State *L) {
    if (loop_need_part(loop_of(L), &select_key, sizeof(SelectPart), select_close) == NULL)
        luaL_error(L, "not enough memory");
    luaL_newmetatable(L, select_name);
    lua_pushcfunction(L, select_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &spares_key);
    luaL_setfuncs(L, functions, 0);
}
