/*
** Owns select: it tries its cases from a random one on; where none is ready it
** waits on all, and tries again. A case may also be performed by who wakes it,
** and then has been: see handover.h. Of the cases it knows no more than their
** sources.
*/
#include "base/openers.h"

#include "base/error.h"
#include "object/handoff.h"
#include "event/run.h"
#include "kernel/order.h"
#include "object/selectable.h"

#include <stdlib.h>

/* The stack: then, for each case, its object, its value or nil, and its source. */
enum { CASES = 1, TIMEOUT, SELECT, FIRST, OBJECT = 0, VALUE, SOURCE, SLOTS };

enum { USUAL_ROOM = 4, MOST_SPARES = 64, MOST_DESCRIBED = 4, MOST_CASES = 100000 };

typedef struct Watch {
    Waiter waiter;
    void *object;
    const Selectable *source;
} Watch;

typedef struct Select {
    Task *task;
    int count, room; /* the cases that it waits on */
    Watch cases[];
} Select;

static const char select_name[] = "arsenal.select";
static const char spares_key; /* registry: list of those that no call uses */

typedef struct SelectPart {
    LoopPart part;
    unsigned spares; /* in that list */
} SelectPart;

static const char select_key;

static void select_close(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

static int slot(int index, int which) {
    return FIRST + SLOTS * index + which;
}

static int count_of(lua_State *L) {
    return (int)lua_tointeger(L, CASES);
}

/* --- waiting on all cases --- */

static void unwatch(Watch *watch) {
    waiter_leave(&watch->waiter);
    if (watch->source->unwatch != NULL) watch->source->unwatch(watch->object);
}

static void unwatch_all(Select *select) {
    for (int i = 0; i < select->count; i++)
        unwatch(&select->cases[i]);
    select->count = 0;
}

static void forget(Task *task) {
    unwatch_all(task->object);
}

/* Only that of a coroutine which a stranger has closed still waits; the task is woken, and ends. */
static int select_gc(lua_State *L) {
    Select *select = lua_touserdata(L, 1);
    if (select->count == 0) return 0;
    if (select->task->loop->closed) return 0;
    unwatch_all(select);
    waiter_wake(&select->task->waiter, ARSENAL_CLOSED);
    select->task->object = NULL;
    return 0;
}

/* [-0, +1] a select for n cases, of the spare ones if it is like the others. */
static Select *take_select(lua_State *L, Loop *loop, int n) {
    SelectPart *part = loop_part(loop, &select_key);
    if (n <= USUAL_ROOM && part->spares > 0) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &spares_key);
        lua_rawgeti(L, -1, part->spares--);
        lua_remove(L, -2);
        return lua_touserdata(L, -1);
    }
    int room = n <= USUAL_ROOM ? USUAL_ROOM : n;
    Select *select = lua_newuserdatauv(L, sizeof *select + (size_t)room * sizeof(Watch), 0);
    select->count = 0;
    select->room = room;
    luaL_setmetatable(L, select_name);
    return select;
}

/* The select at SELECT waits no more. */
static void leave_select(lua_State *L, Loop *loop, const Select *select) {
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
static int fail(lua_State *L, int index, int status) {
    lua_pushvalue(L, slot(index, OBJECT));
    return 1 + error_push(L, status, "select");
}

static void watch_init(lua_State *L, Watch *watch, Task *task, int index) {
    *watch = (Watch){.waiter.task = task,
                     .waiter.value = slot(index, VALUE),
                     .object = lua_touserdata(L, slot(index, OBJECT)),
                     .source = lua_touserdata(L, slot(index, SOURCE))};
}

static void describe(lua_State *L, Task *task);
static int go_on(lua_State *L);

static const WaitKind select_wait = {go_on, forget, describe};

static int wait_for_any(lua_State *L, Task *task) {
    int n = count_of(L);
    Select *select = take_select(L, task->loop, n);
    lua_replace(L, SELECT);
    select->task = task;
    for (int i = 0; i < n; i++) {
        Watch *watch = &select->cases[i];
        watch_init(L, watch, task, i);
        int status = watch->source->watch(watch->object, &watch->waiter);
        if (status != 0) {
            unwatch_all(select);
            return fail(L, i, status);
        }
        select->count++;
    }
    return task_wait(L, task, &select_wait, select);
}

/* --- trying --- */

/* [-0, +results] the results of a case's call, or -1 where it would wait. */
static int attempt(lua_State *L, int index) {
    int top = lua_gettop(L);
    const Selectable *source = lua_touserdata(L, slot(index, SOURCE));
    lua_pushcfunction(L, source->attempt);
    lua_pushvalue(L, slot(index, OBJECT));
    lua_pushvalue(L, slot(index, VALUE));
    lua_call(L, 2, LUA_MULTRET);
    int results = lua_gettop(L) - top;
    if (results == 1 && selectable_has_no_results(L, -1)) {
        lua_pop(L, 1);
        return 0;
    }
    return results > 0 ? results : -1;
}

/* [-results, +results + 1] puts the case's object before the results on top. */
static int finish(lua_State *L, int index, int results) {
    lua_pushvalue(L, slot(index, OBJECT));
    lua_insert(L, -results - 1);
    return results + 1;
}

/* Where a round begins: any case, so that each has its chance. */
static int select_start(Loop *loop, int n) {
    return (int)order_choose(loop, (unsigned)n);
}

/* Performs the first case that is ready, or waits. */
static int try_all(lua_State *L, Task *task, int first) {
    int n = count_of(L);
    for (int i = 0; i < n; i++) {
        int index = first + i < n ? first + i : first + i - n;
        int results = attempt(L, index);
        if (results >= 0) return finish(L, index, results);
    }
    if (lua_toboolean(L, TIMEOUT)) return wait_for_any(L, task);
    return error_push_reason(L, ARSENAL_TIMEOUT, "select: no case is ready");
}

/* --- after a wait --- */

/* The case that woke the task, or any, and whether it was performed. */
static int find_fired(const Select *select, bool *served) {
    int fired = -1;
    *served = false;
    for (int i = 0; i < select->count && !*served; i++) {
        const Waiter *waiter = &select->cases[i].waiter;
        *served = waiter->served;
        if (waiter->queue == NULL && (fired < 0 || *served)) fired = i;
    }
    return fired;
}

static int go_on(lua_State *L) {
    Task *task = loop_of(L)->running;
    Select *select = lua_touserdata(L, SELECT);
    int n = count_of(L), fired = -1;
    if (select != NULL) {
        bool served;
        fired = find_fired(select, &served);
        unwatch_all(select);
        leave_select(L, task->loop, select);
        if (served) return finish(L, fired, lua_gettop(L) - slot(n, 0) + 1);
        if (task->status == ARSENAL_TIMEOUT)
            return error_push_reason(L, ARSENAL_TIMEOUT, "select: timed out");
    }
    return try_all(L, task, fired >= 0 ? fired : select_start(task->loop, n));
}

/* --- the description of a wait --- */

/* [-0, +1] the cases' objects, in words; the coroutine's stack has them. */
static void describe(lua_State *L, Task *task) {
    const Select *select = task->object;
    lua_State *co = task->top;
    luaL_Buffer text;
    if (!handoff_is_possible(task)) {
        lua_pushliteral(L, "selecting");
        return;
    }
    luaL_buffinit(L, &text);
    luaL_addstring(&text, "selecting among ");
    for (int i = 0; i < select->count && i < MOST_DESCRIBED; i++) {
        if (i > 0) luaL_addstring(&text, ", ");
        lua_pushvalue(co, slot(i, OBJECT));
        lua_xmove(co, L, 1);
        luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
        luaL_addvalue(&text);
    }
    if (select->count > MOST_DESCRIBED) luaL_addstring(&text, ", and others");
    luaL_pushresult(&text);
}

/* --- the call --- */

static int bad_case(lua_State *L, int index, const char *what) {
    return luaL_argerror(L, CASES, lua_pushfstring(L, "case %d: %s", index + 1, what));
}

static int wrong_case(lua_State *L, int index) {
    const char *name = luaL_typename(L, -1);
    if (luaL_getmetafield(L, -1, "__name") == LUA_TSTRING) name = lua_tostring(L, -1);
    return bad_case(L, index,
                    lua_pushfstring(L,
                                    "channel, task, stream or another object to select on, or "
                                    "{channel, value}, expected; got %s",
                                    name));
}

/* [-1, +3] the case on top as its object, value and source. */
static void push_case(lua_State *L, int index) {
    const Selectable *source = selectable_of(L, -1);
    if (source != NULL) {
        lua_pushnil(L);
    } else if (lua_istable(L, -1)) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        lua_remove(L, -3);
        source = selectable_of(L, -2);
        if (source != NULL) source = source->sending;
        if (source == NULL) bad_case(L, index, "nothing can be sent to its object");
        if (lua_isnil(L, -1)) bad_case(L, index, "its value is nil");
    } else {
        wrong_case(L, index);
    }
    lua_pushlightuserdata(L, (void *)source);
}

/* [cases, timeout] -> the stack of a call. */
static void push_cases(lua_State *L, int n) {
    luaL_checkstack(L, SLOTS * n + LUA_MINSTACK, "too many cases");
    lua_pushnil(L); /* SELECT */
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, CASES, i + 1);
        push_case(L, i);
    }
}

/*
** select(cases [, timeout]) waits until one of the cases is ready, and performs
** it: returns its object, and what its call returns. A case is an object, which
** means its natural receive, or {channel, value}. nil, message, "TIMEOUT" when
** none was ready in time; 0 only tries.
*/
static int select_any(lua_State *L) {
    Loop *loop = loop_of(L);
    luaL_checktype(L, CASES, LUA_TTABLE);
    uint64_t timeout = args_duration(L, TIMEOUT);
    lua_Unsigned n = lua_rawlen(L, CASES);
    luaL_argcheck(L, n <= MOST_CASES, CASES, "too many cases");
    lua_settop(L, TIMEOUT);
    push_cases(L, (int)n);
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
    return try_all(L, task, select_start(loop, (int)n));
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
