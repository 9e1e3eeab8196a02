/*
** Owns the turn, and the time that tasks keep the loop from polling.
*/
#include "event/turn.h"

#include "event/inbox.h"
#include "event/outbox.h"
#include "event/poller.h"
#include "kernel/clock.h"
#include "kernel/task.h"

static void turn_fire_timers(Loop *loop) {
    if (loop->timers.count == 0) return;
    uint64_t now = clock_now(loop);
    Timer *timer;
    while ((timer = timer_heap_take_due(&loop->timers, now)) != NULL)
        timer->fired(timer);
}

/* Nanoseconds until the loop has something to do without an event; FOREVER if it never has. */
static uint64_t turn_idle_time(const Loop *loop) {
    if (loop->ready > 0) return 0;
    if (loop->timers.count == 0) return FOREVER;
    uint64_t now = clock_now(loop), next = loop->timers.heap[1]->deadline;
    return next > now ? next - now : 0;
}

/* --- lag: measured from the first time on that it is asked for --- */

static void turn_measure_lag(Loop *loop) {
    uint64_t unpolled = clock_now(loop) - loop->polled_at;
    if (unpolled > loop->lag) loop->lag = unpolled;
}

uint64_t turn_take_lag(Loop *loop) {
    if (loop->polled_at != 0) turn_measure_lag(loop);
    uint64_t lag = loop->lag;
    loop->lag = 0;
    loop->polled_at = clock_now(loop);
    return lag;
}

/* --- turning --- */

/* The loop's inbox that wakes its polls; NULL: none does yet. */
static Inbox *turn_inbox(const Loop *loop) {
    return loop_is_complete(loop) ? *poll_inbox(loop) : NULL;
}

static void turn_poll(Loop *loop, uint64_t timeout) {
    Inbox *inbox = turn_inbox(loop);
    uint64_t idle = turn_idle_time(loop);
    if (idle < timeout) timeout = idle;
    if (loop->polled_at != 0) turn_measure_lag(loop);
    if (timeout > 0 && !inbox_before_wait(inbox)) timeout = 0;
    bool rests = timeout == FOREVER && inbox_rest(inbox, loop);
    poll_wait(loop, timeout);
    if (rests) inbox_rise(inbox);
    inbox_after_poll(inbox);
    turn_fire_timers(loop);
    if (loop->polled_at != 0) loop->polled_at = clock_now(loop);
    loop->unpolled = 0;
}

void turn_leave(const Loop *loop) {
    inbox_leave(turn_inbox(loop));
}

bool turn_take_stuck(const Loop *loop) {
    return inbox_take_stuck(turn_inbox(loop), loop);
}

/* Runs the first tasks of those that are left in the turn. Returns how many ran. */
static unsigned turn_run_few(lua_State *L, Loop *loop, unsigned left) {
    unsigned few = left < OUTBOX_TASKS ? left : OUTBOX_TASKS;
    tasks_run(L, loop, few);
    outbox_look(loop, few);
    return few;
}

/* Whether tasks whose letters were sent go on before the poll that is due, which they do once. */
static bool turn_sends_first(Loop *loop) {
    return outbox_flush(loop) && loop->unpolled <= 2 * POLL_TASKS;
}

unsigned turn_once(lua_State *L, Loop *loop, uint64_t timeout) {
    loop->turning = true;
    if (loop->polled_at != 0) loop->polled_at = clock_now(loop); /* the caller may have slept */
    unsigned ran = loop->ready;
    for (unsigned left = ran; left > 0;)
        left -= turn_run_few(L, loop, left);
    outbox_flush(loop);
    turn_poll(loop, timeout);
    turn_leave(loop);
    loop->turning = false;
    loop->turns++;
    return ran;
}

uint64_t turn_poll_if_due(Loop *loop) {
    loop->turning = true;
    if (turn_poll_is_due(loop) && !turn_sends_first(loop)) turn_poll(loop, FOREVER);
    loop->turning = false;
    return clock_tick(loop);
}

/* Tasks that compute for long would keep those behind them from the next poll, too. */
void turn_briskly(lua_State *L, Loop *loop, uint64_t tick) {
    unsigned left = loop->ready;
    bool is_late = false;
    loop->turning = true;
    loop->unpolled += left;
    while (left > 0 && !is_late) {
        left -= turn_run_few(L, loop, left);
        is_late = loop->ready > 0 && clock_tick(loop) != tick;
    }
    if (is_late) turn_poll_next(loop);
    loop->turning = false;
    loop->turns++;
}

/* backend_timeout(): seconds until the next timer; 0 if a task is ready; nil: only an event gives work. */
static int turn_backend_timeout(lua_State *L) {
    uint64_t idle = turn_idle_time(loop_of(L));
    if (idle == FOREVER)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (lua_Number)idle / 1e9);
    return 1;
}

/* backend_fd(): a descriptor that is readable when run_once has something to do. */
static int turn_backend_fd(lua_State *L) {
    const Loop *loop = loop_of(L);
    loop_check_open(L, loop, "arsenal.backend_fd");
    lua_pushinteger(L, poll_backend_fd(loop));
    return 1;
}

/* now(): seconds on the monotonic clock, since an arbitrary moment. */
static int turn_now(lua_State *L) {
    lua_pushnumber(L, (lua_Number)clock_now(loop_of(L)) / 1e9);
    return 1;
}

static const luaL_Reg turn_functions[] = {
    {"backend_fd", turn_backend_fd},
    {"backend_timeout", turn_backend_timeout},
    {"now", turn_now},
    {NULL, NULL},
};

void turn_open(lua_State *L) {
    luaL_setfuncs(L, turn_functions, 0);
}
