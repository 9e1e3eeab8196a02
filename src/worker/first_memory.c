/*
** Owns the allocation from the block.
*/
#include "worker/first_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ALIGNMENT = 16 };

static bool first_memory_has(const FirstMemory *memory, const void *block) {
    return (uintptr_t)block - (uintptr_t)memory->bytes < FIRST_MEMORY_SIZE;
}

/* Returns NULL if the block is full. */
static void *first_memory_take(FirstMemory *memory, size_t size) {
    size_t room = (size_t)(memory->bytes + FIRST_MEMORY_SIZE - memory->next);
    if (size > room) return NULL;
    char *block = memory->next;
    memory->next += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return block;
}

static void *first_memory_new(FirstMemory *memory, size_t kind, size_t size) {
    void *block = first_memory_take(memory, size);
    return block != NULL ? block : memory->others(memory->others_data, NULL, kind, size);
}

/*
** C libraries that call the state's allocator may pass a wrong old size. So all is copied
** that may be the block's: up to the new size, or to the end of what was taken.
*/
static void *first_memory_move(FirstMemory *memory, const char *block, size_t size) {
    size_t most = (size_t)(memory->next - block);
    void *larger = first_memory_new(memory, 0, size);
    if (larger != NULL) memcpy(larger, block, size < most ? size : most);
    return larger;
}

/* A lua_Alloc. */
static void *first_memory_allocate(void *data, void *block, size_t old_size, size_t size) {
    FirstMemory *memory = data;
    if (block == NULL) return size == 0 ? NULL : first_memory_new(memory, old_size, size);
    if (!first_memory_has(memory, block))
        return memory->others(memory->others_data, block, old_size, size);
    if (size <= old_size) return size == 0 ? NULL : block;
    return first_memory_move(memory, block, size);
}

void first_memory_use(FirstMemory *memory, lua_State *L) {
    memory->others = lua_getallocf(L, &memory->others_data);
    memory->next = memory->bytes;
    lua_setallocf(L, first_memory_allocate, memory);
}
