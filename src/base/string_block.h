/*
** String blocks: memory of a Lua state that is filled first and then becomes a
** long Lua string without being copied, however long it is.
*/
#ifndef ARSENAL_BASE_STRING_BLOCK_H
#define ARSENAL_BASE_STRING_BLOCK_H

#include <lua.h>
#include <stdbool.h>

typedef struct StringBlock {
    char *memory; /* NULL: there is none */
    size_t total; /* its size */
    char *data;   /* the bytes of the string, inside the memory */
    size_t size;
    lua_Alloc allocate; /* the state's allocator */
    void *argument;
} StringBlock;

enum { STRING_BLOCK_LEAST = 1024 }; /* bytes: a shorter string is none of its own */

/* [-0, +0] memory for a string of `size` bytes; false: there is none. */
bool string_block_new(lua_State *L, StringBlock *block, size_t size);

/* [-0, +1] the first `size` bytes as a string. The block has no memory after that. */
void string_block_push(lua_State *L, StringBlock *block, size_t size);

void string_block_free(StringBlock *block);

#endif
