/*
** Owns the loop's life, from the first call in a Lua state to the state's end.
*/
#include "kernel/loop.h"

#include "base/error.h"
#include "system/fork.h"

#include <stdlib.h>

static const char loop_key; /* registry: the loop */
static const char loop_name[] = "arsenal.loop";

/*
** Makes glibc keep more freed memory. The collector frees strings in batches that
** are larger than what glibc keeps by default, so that each batch would be given
** back to the kernel and fetched again page by page. After a program has freed a
** large block, glibc keeps up to twice its size, unless its settings say how much.
*/
static void loop_keep_freed_memory(void) {
    enum { LARGE = 4 * 1024 * 1024 };
    void *volatile block = malloc(LARGE);
    free(block);
}

/* --- the process's open loops: in a forked child they are closed at once --- */

static Loop *open_loops;
static uv_mutex_t open_lock;

static void loop_lock(void) {
    uv_mutex_lock(&open_lock);
}

static void loop_unlock(void) {
    uv_mutex_unlock(&open_lock);
}

/*
** The kernel shares epoll's descriptor and the sockets with the parent: the
** child must not touch them, and has no use for the threads that are gone. The
** lock is made anew: where it checks who unlocks it, that is the parent's thread.
*/
static void loop_close_in_child(void) {
    for (Loop *loop = open_loops; loop != NULL; loop = loop->next_open)
        loop->closed = loop->forked = true;
    uv_mutex_init(&open_lock);
}

/* --- once for the process --- */

static uv_once_t once = UV_ONCE_INIT;

static void loop_prepare_process(void) {
    loop_keep_freed_memory();
    uv_mutex_init(&open_lock);
    fork_watch(loop_lock, loop_unlock, loop_close_in_child);
}

static void loop_add_open(Loop *loop) {
    loop_lock();
    loop->next_open = open_loops;
    open_loops = loop;
    loop_unlock();
}

static void loop_remove_open(const Loop *loop) {
    loop_lock();
    Loop **link = &open_loops;
    while (*link != loop)
        link = &(*link)->next_open;
    *link = loop->next_open;
    loop_unlock();
}

void loop_check_open(lua_State *L, const Loop *loop, const char *what) {
    if (loop->forked)
        luaL_error(L, "%s: this process is a fork of the one that the event loop belongs to", what);
    if (loop->closed) luaL_error(L, "%s: the Lua state is being closed", what);
}

/* --- its life --- */

static void loop_handle_closed(uv_handle_t *handle) {
    free(handle);
}

void loop_close_handle(Loop *loop, uv_handle_t *handle) {
    loop->uv_changed = true;
    uv_close(handle, loop_handle_closed);
}

static void loop_close_left_over(uv_handle_t *handle, void *loop) {
    if (!uv_is_closing(handle)) loop_close_handle(loop, handle);
}

/* The part that was added last is closed first. */
static void loop_close_parts(Loop *loop) {
    while (loop->parts != NULL) {
        LoopPart *part = loop->parts;
        loop->parts = part->next;
        part->close(part, loop);
    }
}

static void loop_close_uv(Loop *loop) {
    uv_walk(&loop->uv, loop_close_left_over, loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
}

/* Objects may be finalized before or after this: if `closed` is set, they use nothing of the loop. */
static int loop_gc(lua_State *L) {
    Loop *loop = lua_touserdata(L, 1);
    if (loop->closed) return 0;
    loop_remove_open(loop);
    loop->closed = true;
    timer_heap_free(&loop->timers); /* first: its timers are in the parts' memory */
    loop_close_parts(loop);
    if (loop->has_uv) loop_close_uv(loop);
    free(loop->scratch);
    return 0;
}

static void loop_new(lua_State *L) {
    Loop *loop = lua_newuserdatauv(L, sizeof *loop, 0);
    *loop = (Loop){.closed = true};
    if (luaL_newmetatable(L, loop_name)) {
        lua_pushcfunction(L, loop_gc);
        lua_setfield(L, -2, "__gc");
    }
    uv_once(&once, loop_prepare_process);
    loop->closed = false;
    uint64_t now = uv_hrtime();
    loop->random = (uint32_t)now | 1;
    loop->uv.time = now / 1000000; /* in a core, tools/arsenal_debugger.py counts from it */
    loop_add_open(loop);
    lua_setmetatable(L, -2); /* from here on the collector closes it */
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loop_key);
}

Loop *loop_of(lua_State *L) {
    loop_push(L);
    Loop *loop = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return loop;
}

void loop_push(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loop_key);
}

void *loop_part(const Loop *loop, const void *key) {
    LoopPart *part = loop->parts;
    while (part != NULL && part->key != key)
        part = part->next;
    return part;
}

void loop_add_part(Loop *loop, LoopPart *part) {
    part->next = loop->parts;
    loop->parts = part;
}

void *loop_need_part(Loop *loop, const void *key, size_t size, void (*close)(LoopPart *, Loop *)) {
    LoopPart *part = loop_part(loop, key);
    if (part != NULL) return part;
    part = calloc(1, size);
    if (part == NULL) return NULL;
    part->key = key;
    part->close = close;
    loop_add_part(loop, part);
    return part;
}

bool loop_is_stuck(const Loop *loop) {
    return loop->ready == 0 && loop->external_waiters == 0 && loop->timers.count == 0;
}

void loop_open(lua_State *L) {
    if (loop_of(L) == NULL) loop_new(L);
}

void loop_add_scratch(lua_State *L) {
    Loop *loop = loop_of(L);
    if (loop->scratch == NULL) loop->scratch = malloc(SCRATCH_SIZE);
    if (loop->scratch == NULL) error_raise_status(L, UV_ENOMEM, "making an event loop");
}

int loop_add_uv(Loop *loop) {
    if (loop->has_uv) return 0;
    int status = uv_loop_init(&loop->uv);
    loop->has_uv = status == 0;
    return status;
}
