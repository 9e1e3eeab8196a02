/*
** Owns the loop's life, from the first call in a Lua state to the state's end,
** and the turn.
*/
#include "kernel/loop.h"

#include "base/error.h"
#include "task/timeout.h"
#include "event/thread_pool.h"
#include "event/poller.h"
#include "kernel/task.h"
#include "event/inbox.h"

#include <stdlib.h>

static const char loop_key; /* registry: the loop */
static const char loop_name[] = "arsenal.loop";

static int loop_gc(lua_State *L);

/*
** Lua's strings come and go in waves of more than what glibc keeps of freed
** memory, so that each wave would be taken from the kernel and given back page
** by page. Once a program has freed a large block, glibc keeps up to twice its
** size; unless its own settings say how much.
*/
static void keep_freed_memory(void) {
    enum { LARGE = 4 * 1024 * 1024 };
    void *volatile block = malloc(LARGE);
    free(block);
}

static Loop *loop_new(lua_State *L) {
    Loop *loop = lua_newuserdatauv(L, sizeof *loop, 0);
    *loop = (Loop){.closed = true};
    if (luaL_newmetatable(L, loop_name)) {
        lua_pushcfunction(L, loop_gc);
        lua_setfield(L, -2, "__gc");
    }
    keep_freed_memory();
    loop->scratch = malloc(SCRATCH_SIZE);
    int status = loop->scratch == NULL ? UV_ENOMEM : uv_loop_init(&loop->uv);
    if (status == 0) {
        status = poll_open(loop);
        if (status != 0) uv_loop_close(&loop->uv);
    }
    if (status != 0) {
        free(loop->scratch);
        error_push(L, status, "making an event loop");
        lua_pop(L, 1);
        lua_error(L);
    }
    loop->closed = false;
    lua_setmetatable(L, -2); /* from here on the collector closes it */
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loop_key);
    return loop;
}

Loop *loop_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loop_key);
    Loop *loop = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return loop != NULL ? loop : loop_new(L);
}

void loop_push(lua_State *L) {
    loop_of(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loop_key);
}

static void handle_closed(uv_handle_t *handle) {
    free(handle);
}

void loop_close_handle(Loop *loop, uv_handle_t *handle) {
    loop->uv_changed = true;
    uv_close(handle, handle_closed);
}

static void close_left_over(uv_handle_t *handle, void *loop) {
    if (!uv_is_closing(handle)) loop_close_handle(loop, handle);
}

/* Objects may be finalized before or after this: they find `closed`, and no more of the loop. */
static int loop_gc(lua_State *L) {
    Loop *loop = lua_touserdata(L, 1);
    if (loop->closed) return 0;
    loop->closed = true;
    thread_pool_detach(loop);
    uv_walk(&loop->uv, close_left_over, loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    poll_free(loop);
    timer_heap_free(&loop->timers);
    timeout_scopes_free(loop);
    free(loop->batch);
    free(loop->scratch);
    return 0;
}

static void fire_timers(Loop *loop) {
    if (loop->timers.count == 0) return;
    uint64_t now = uv_hrtime();
    Timer *timer;
    while ((timer = timer_heap_take_due(&loop->timers, now)) != NULL)
        timer->fired(timer);
}

uint64_t loop_idle_time(const Loop *loop) {
    if (loop->ready > 0) return 0;
    if (loop->timers.count == 0) return FOREVER;
    uint64_t now = uv_hrtime(), next = loop->timers.heap[1]->deadline;
    return next > now ? next - now : 0;
}

static void measure_lag(Loop *loop) {
    uint64_t kept = uv_hrtime() - loop->polled;
    if (kept > loop->lag) loop->lag = kept;
}

uint64_t loop_take_lag(Loop *loop) {
    if (loop->measures_lag) measure_lag(loop);
    uint64_t lag = loop->lag;
    loop->measures_lag = true;
    loop->lag = 0;
    loop->polled = uv_hrtime();
    return lag;
}

static void poll_world(Loop *loop, uint64_t timeout) {
    uint64_t idle = loop_idle_time(loop);
    if (loop->measures_lag) measure_lag(loop);
    poll_wait(loop, idle < timeout ? idle : timeout);
    fire_timers(loop);
    if (loop->measures_lag) loop->polled = uv_hrtime();
    loop->unpolled = 0;
}

unsigned loop_turn(lua_State *L, Loop *loop, uint64_t timeout) {
    loop->turning = true;
    if (loop->measures_lag) loop->polled = uv_hrtime(); /* whoever drives it may have slept */
    unsigned ran = tasks_run(L, loop);
    poll_world(loop, timeout);
    loop->turning = false;
    loop->turns++;
    return ran;
}

/*
** While tasks are ready, a look at the world every few of them is enough. It
** comes first, so that whoever drives the loop sees what the tasks have done.
*/
void loop_brisk_turn(lua_State *L, Loop *loop) {
    loop->turning = true;
    if (loop->ready == 0 || loop->unpolled >= POLL_TASKS) poll_world(loop, FOREVER);
    loop->unpolled += tasks_run(L, loop);
    loop->turning = false;
    loop->turns++;
}

bool loop_is_stuck(const Loop *loop) {
    return loop->ready == 0 && loop->sources == 0 && loop->timers.count == 0;
}

/* backend_timeout(): seconds until run_once has something to do of itself; nil: only for events. */
static int backend_timeout(lua_State *L) {
    uint64_t idle = loop_idle_time(loop_of(L));
    if (idle == FOREVER)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (lua_Number)idle / 1e9);
    return 1;
}

/* backend_fd(): a descriptor that is readable when run_once has something to do. */
static int backend_fd(lua_State *L) {
    lua_pushinteger(L, poll_backend_fd(loop_of(L)));
    return 1;
}

/* now(): seconds on the monotonic clock, since an arbitrary moment. */
static int now(lua_State *L) {
    lua_pushnumber(L, (lua_Number)uv_hrtime() / 1e9);
    return 1;
}

static const luaL_Reg functions[] = {
    {"backend_fd", backend_fd},
    {"backend_timeout", backend_timeout},
    {"now", now},
    {NULL, NULL},
};

void loop_open(lua_State *L) {
    loop_of(L);
    luaL_setfuncs(L, functions, 0);
}
