/*
** The memory of a state whose allocator can fail: counted, so that what is left
** behind lua_close shows.
*/
#ifndef ATTACK_KIT_MEMORY_H
#define ATTACK_KIT_MEMORY_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* A state with the standard libraries. */
lua_State *memory_new_state(void);

/* As a Fault has them. The points are the calls for memory, but not those for less than there is. */
void memory_arm(lua_State *L, long n, int width);
long memory_disarm(lua_State *L);

/* Bytes that Lua has now. */
size_t memory_in_use(void);

/* Whether Lua could not call a finalizer, so that what it would have freed may be left. */
bool memory_has_lost_finalizer(void);

#endif
