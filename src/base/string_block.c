/*
** Owns how a string gets the memory of a block. While Lua makes the string, the state has
** another allocator, which gives Lua the block when Lua asks for the string's memory. Lua
** then copies the bytes onto themselves. Where in its memory a string has its bytes is
** measured on a sample.
*/
#include "base/string_block.h"

#include <string.h>

enum { SAMPLE_SIZE = 1024 }; /* bytes of a long string: Lua would intern a short one */

typedef struct Lender {
    lua_Alloc allocate; /* the state's own */
    void *argument;
    const char *data; /* the bytes of the string to make */
    size_t size;
    void *block; /* given to a string that needs `total` bytes; NULL: given already, or none */
    size_t total;
    const char *memory; /* what the own allocator gave the string instead, and how many bytes */
    size_t taken;
} Lender;

/* A lua_Alloc. Lua asks for a new string with LUA_TSTRING in place of an old size. */
static void *lender_allocate(void *argument, void *block, size_t old_size, size_t size) {
    Lender *lender = argument;
    bool is_string = block == NULL && old_size == LUA_TSTRING && size > lender->size;
    if (is_string && lender->block != NULL && size == lender->total) {
        block = lender->block;
        lender->block = NULL;
        return block;
    }
    block = lender->allocate(lender->argument, block, old_size, size);
    if (is_string) {
        lender->memory = block;
        lender->taken = size;
    }
    return block;
}

static int lender_make_string(lua_State *L) {
    const Lender *lender = lua_touserdata(L, 1);
    lua_pushlstring(L, lender->data, lender->size);
    return 1;
}

/* [-0, +1] the string, or the error. Returns whether it is the string. */
static bool lender_push(lua_State *L, Lender *lender) {
    lender->allocate = lua_getallocf(L, &lender->argument);
    lua_pushcfunction(L, lender_make_string);
    lua_pushlightuserdata(L, lender);
    lua_setallocf(L, lender_allocate, lender);
    int status = lua_pcall(L, 1, 1, 0);
    lua_setallocf(L, lender->allocate, lender->argument);
    return status == LUA_OK;
}

bool string_block_new(lua_State *L, StringBlock *block, size_t size) {
    char sample[SAMPLE_SIZE] = {0};
    Lender lender = {.data = sample, .size = sizeof sample};
    *block = (StringBlock){0};
    if (!lender_push(L, &lender)) return lua_error(L);
    size_t offset = (size_t)(lua_tostring(L, -1) - lender.memory);
    block->total = size + lender.taken - sizeof sample;
    lua_pop(L, 1);
    block->allocate = lender.allocate;
    block->argument = lender.argument;
    block->memory = lender.allocate(lender.argument, NULL, LUA_TSTRING, block->total);
    block->data = block->memory + offset;
    block->size = size;
    return block->memory != NULL;
}

void string_block_free(StringBlock *block) {
    if (block->memory != NULL) block->allocate(block->argument, block->memory, block->total, 0);
    *block = (StringBlock){0};
}

void string_block_push(lua_State *L, StringBlock *block, size_t size) {
    Lender lender = {.data = block->data, .size = size};
    if (size == block->size) {
        lender.block = block->memory;
        lender.total = block->total;
    }
    bool made = lender_push(L, &lender);
    if (lender.block == NULL && size == block->size) block->memory = NULL; /* Lua has it */
    string_block_free(block);
    if (!made) lua_error(L);
}
