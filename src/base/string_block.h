/*
** String blocks: bytes become a long Lua string without being copied. The caller makes a
** block, writes into `data`, and then pushes the string, which is in the same memory.
** Lua's functions for strings always copy what they are given.
*/
#ifndef ARSENAL_BASE_STRING_BLOCK_H
#define ARSENAL_BASE_STRING_BLOCK_H

#include <lua.h>
#include <stdbool.h>

typedef struct StringBlock {
    char *memory; /* what becomes Lua's object: a header, the bytes, a NUL; NULL: there is none */
    size_t total; /* bytes of it */
    char *data;   /* where the string's bytes are to be, inside the memory */
    size_t size;  /* how many */
    lua_Alloc allocate; /* the state's allocator */
    void *argument;
} StringBlock;

/* [-0, +0] Makes a block for a string of `size` bytes. Returns false if there is no memory for it. */
bool string_block_new(lua_State *L, StringBlock *block, size_t size);

/*
** [-0, +1] Pushes the first `size` bytes as a string, and frees the block. Only a string of
** all the block's bytes takes over the memory; a shorter one is a copy.
*/
void string_block_push(lua_State *L, StringBlock *block, size_t size);

/* Frees a block that became no string. Does nothing if it has no memory. */
void string_block_free(StringBlock *block);

#endif
