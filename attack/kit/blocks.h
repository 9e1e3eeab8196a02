/*
** What the preloaded malloc (attack/oom/fail_malloc.c) offers. Without it there
** is nothing to count, and these do nothing.
*/
#ifndef ATTACK_KIT_BLOCKS_H
#define ATTACK_KIT_BLOCKS_H

#include <lua.h>
#include <stddef.h>

/* The shared object with this path is one whose calls are counted. */
void blocks_attack_object(const char *path);

/* From now on blocks are remembered until they are freed. */
void blocks_begin(void);

/* Writes into `text` where blocks were taken that are not free. Returns how many there are. */
int blocks_left(char *text, size_t size);

/* As a Fault has them. The points are calls of malloc, calloc and realloc from those objects. */
void blocks_arm(lua_State *L, long n, int width);
long blocks_disarm(lua_State *L);

/* The same for the calls from libssl and libcrypto. (libuv ends the process if it has no memory.) */
void blocks_arm_libraries(lua_State *L, long n, int width);

#endif
