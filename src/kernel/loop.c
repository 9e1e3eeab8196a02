/*
** Owns the loop's life, from the first call in a Lua state to the state's end.
*/
#include "kernel/loop.h"

#include "base/error.h"

#include <stdlib.h>

static const char loop_key; /* registry: the loop */
static const char loop_name[] = "arsenal.loop";

/*
** Lua's strings come and go in waves of more than what glibc keeps of freed
** memory, so that each wave would be taken from the kernel and given back page
** by page. Once a program has freed a large block, glibc keeps up to twice its
** size; unless its own settings say how much.
*/
static void loop_keep_freed_memory(void) {
    enum { LARGE = 4 * 1024 * 1024 };
    void *volatile block = malloc(LARGE);
    free(block);
}

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

/* Objects may be finalized before or after this: they find `closed`, and no more of the loop. */
static int loop_gc(lua_State *L) {
    Loop *loop = lua_touserdata(L, 1);
    if (loop->closed) return 0;
    loop->closed = true;
    loop_close_parts(loop);
    uv_walk(&loop->uv, loop_close_left_over, loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    timer_heap_free(&loop->timers);
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
    loop_keep_freed_memory();
    loop->scratch = malloc(SCRATCH_SIZE);
    int status = loop->scratch == NULL ? UV_ENOMEM : uv_loop_init(&loop->uv);
    if (status != 0) {
        free(loop->scratch);
        error_raise_status(L, status, "making an event loop");
    }
    loop->closed = false;
    loop->random = (uint32_t)uv_hrtime() | 1;
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
