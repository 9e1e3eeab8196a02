/*
** First memory: a block from which the first objects of a worker's Lua state come, those
** of Lua's libraries. They live as long as the state, so nothing is ever given back to the
** block, and freeing the state costs less. All else comes from where Lua has it from.
*/
#ifndef ARSENAL_WORKER_FIRST_MEMORY_H
#define ARSENAL_WORKER_FIRST_MEMORY_H

#include <lua.h>
#include <stdalign.h>

enum { FIRST_MEMORY_SIZE = 32 * 1024 };

typedef struct FirstMemory {
    lua_Alloc others; /* what allocates once the block is full */
    void *others_data;
    char *next;
    alignas(16) char bytes[FIRST_MEMORY_SIZE];
} FirstMemory;

/* The state takes memory from the block, which has to outlive the state. */
void first_memory_use(FirstMemory *memory, lua_State *L);

#endif
