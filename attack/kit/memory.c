/*
** Owns the allocator of the attacked Lua states, and knows whether a finalizer of
** theirs could not be called.
*/
#include "kit/memory.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static size_t in_use;
static long passed, first, last;
static bool armed;
static bool has_lost_finalizer;

static bool memory_fails(void) {
    if (!armed) return false;
    passed++;
    return passed >= first && passed <= last;
}

/* Lua relies on shrinking, which may therefore not fail. */
static void *memory_allocate(void *context, void *block, size_t old_size, size_t new_size) {
    (void)context;
    if (block == NULL) old_size = 0;
    if (new_size == 0) {
        free(block);
        in_use -= old_size;
        return NULL;
    }
    if (new_size > old_size && memory_fails()) return NULL;
    void *moved = realloc(block, new_size);
    if (moved != NULL) in_use += new_size - old_size;
    return moved;
}

/*
** A warning comes in pieces, one of which is the error of the finalizer. Where the
** collector steps with C's stack used up, Lua fails to call a finalizer, and tries
** no second time.
*/
static void memory_warn(void *context, const char *piece, int is_continued) {
    (void)context;
    (void)is_continued;
    if (strstr(piece, "C stack overflow") != NULL || strcmp(piece, "error in error handling") == 0)
        has_lost_finalizer = true;
}

lua_State *memory_new_state(void) {
    lua_State *L = lua_newstate(memory_allocate, NULL);
    if (L == NULL) abort();
    lua_setwarnf(L, memory_warn, NULL);
    luaL_openlibs(L);
    return L;
}

void memory_arm(lua_State *L, long n, int width) {
    (void)L;
    passed = 0;
    first = n == 0 ? -1 : n;
    last = n == 0 ? -1 : n + width - 1;
    armed = true;
}

long memory_disarm(lua_State *L) {
    (void)L;
    armed = false;
    return passed;
}

size_t memory_in_use(void) {
    return in_use;
}

bool memory_has_lost_finalizer(void) {
    return has_lost_finalizer;
}
