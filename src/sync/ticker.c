/*
** Owns tickers: each fires at the multiples of a time, counted from when it was
** made. A firing goes to one task. Of those that no task has waited for, the last
** one is kept. The timer is in the heap only while a task waits.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/clock.h"
#include "object/handle.h"
#include "object/handoff.h"

enum { SELF = 1 };

typedef struct Ticker {
    Handle handle;
    WaitQueue waiters;
    uint64_t start, period;
    uint64_t count; /* of the last firing that a task has had */
    Timer timer;
} Ticker;

static Ticker *ticker_of(Handle *handle) {
    return container_of(handle, Ticker, handle);
}

static void ticker_describe(lua_State *L, const Handle *handle) {
    const Ticker *ticker = ticker_of((Handle *)handle);
    lua_pushfstring(L, "%p (every %f s)", (const void *)ticker,
                    (LUAI_UACNUMBER)((lua_Number)ticker->period / 1e9));
}

static void ticker_close(Handle *handle) {
    Ticker *ticker = ticker_of(handle);
    wait_queue_dismiss(&ticker->waiters, ARSENAL_CLOSED);
    if (!handle->loop->closed) timer_heap_clear(&handle->loop->timers, &ticker->timer);
}

static const Selectable ticker_selectable;

static const HandleType ticker_type = {"ticker",     "ticker",        0,
                                       ticker_close, ticker_describe, &ticker_selectable};

static Ticker *ticker_check(lua_State *L) {
    return handle_check(L, SELF, &ticker_type, 1);
}

/* --- firing --- */

/* The number of the last firing. */
static uint64_t ticker_last(const Ticker *ticker) {
    return (clock_now(ticker->handle.loop) - ticker->start) / ticker->period;
}

/* Takes the last firing, if no task has had it. */
static bool ticker_take(Ticker *ticker) {
    uint64_t count = ticker_last(ticker);
    if (count == ticker->count) return false;
    ticker->count = count;
    return true;
}

static bool ticker_set_timer(Ticker *ticker) {
    uint64_t next = ticker->start + (ticker->count + 1) * ticker->period;
    return timer_is_set(&ticker->timer) ||
           timer_heap_set(&ticker->handle.loop->timers, &ticker->timer, next);
}

/* The timer's place in the heap was just freed, so that setting it again needs no memory. */
static void ticker_fired(Timer *timer) {
    Ticker *ticker = container_of(timer, Ticker, timer);
    uint64_t count = ticker_last(ticker);
    Waiter *waiter = count == ticker->count ? NULL : handoff_next(&ticker->waiters);
    if (waiter != NULL) {
        ticker->count = count;
        lua_pushinteger(waiter->task->top, (lua_Integer)count);
        handoff_done(waiter, 1);
    }
    if (!wait_queue_is_empty(&ticker->waiters)) ticker_set_timer(ticker);
}

/* --- waiting --- */

/* The results of a wait that ends at once; 0 if there is nothing to take, or other tasks come first. */
static int ticker_attempt(lua_State *L) {
    Ticker *ticker = lua_touserdata(L, SELF);
    if (!ticker->handle.open) return handle_fail(L, &ticker->handle, "wait", ARSENAL_CLOSED);
    if (!wait_queue_is_empty(&ticker->waiters) || !ticker_take(ticker)) return 0;
    lua_pushinteger(L, (lua_Integer)ticker->count);
    return 1;
}

static int ticker_watch(void *object, Waiter *waiter) {
    Ticker *ticker = object;
    if (!ticker_set_timer(ticker)) return UV_ENOMEM;
    waiter_join(waiter, &ticker->waiters, NULL);
    return 0;
}

static void ticker_unwatch(void *object) {
    Ticker *ticker = object;
    if (wait_queue_is_empty(&ticker->waiters))
        timer_heap_clear(&ticker->handle.loop->timers, &ticker->timer);
}

static const Selectable ticker_selectable = {ticker_attempt, ticker_watch, ticker_unwatch, NULL};

static void ticker_forget(Task *task) {
    ticker_unwatch(task->object);
}

static void ticker_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static int ticker_step(lua_State *L, Task *task);

static const WaitKind ticker_wait = {ticker_step, ticker_forget, ticker_describe_wait};

static int ticker_take_or_wait(lua_State *L, Ticker *ticker, Task *task) {
    int results = ticker_attempt(L);
    if (results > 0) return results;
    int status = ticker_watch(ticker, &task->waiter);
    if (status != 0) return handle_fail(L, &ticker->handle, "wait", status);
    return task_wait(L, task, &ticker_wait, ticker);
}

static int ticker_step(lua_State *L, Task *task) {
    Ticker *ticker = lua_touserdata(L, SELF);
    return handoff_came(task) ? 1 : ticker_take_or_wait(L, ticker, task);
}

/*
** ticker:wait(), and a call of the ticker, as in `for n in ticker do`: the number
** of the firing, at once if there was one that no task has had.
*/
static int ticker_wait_method(lua_State *L) {
    Ticker *ticker = ticker_check(L);
    lua_settop(L, SELF);
    Task *task = task_enter(L, ticker->handle.loop);
    return task == NULL ? run_outside(L) : ticker_take_or_wait(L, ticker, task);
}

/* every(seconds): a ticker that first fires so many seconds after this call. */
static int ticker_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TNUMBER);
    uint64_t period = args_duration(L, 1);
    luaL_argcheck(L, period > 0 && period != FOREVER, 1, "positive number of seconds expected");
    Ticker *ticker = handle_new(L, &ticker_type, sizeof *ticker, 0);
    ticker->start = clock_now(ticker->handle.loop);
    ticker->period = period;
    ticker->timer.fired = ticker_fired;
    handle_opened(&ticker->handle);
    return 1;
}

static const luaL_Reg ticker_methods[] = {
    {"wait", ticker_wait_method},
    {NULL, NULL},
};

void ticker_open(lua_State *L) {
    luaL_newlib(L, ticker_methods);
    handle_define(L, &ticker_type);
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &ticker_type);
    lua_pushcfunction(L, ticker_wait_method);
    lua_setfield(L, -2, "__call");
    lua_pop(L, 1);
    lua_pushcfunction(L, ticker_new);
    lua_setfield(L, -2, "every");
}
