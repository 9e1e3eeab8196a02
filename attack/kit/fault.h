/*
** A fault: something that goes wrong at the n-th of the points that a script
** passes, such as an allocation that fails.
*/
#ifndef ATTACK_KIT_FAULT_H
#define ATTACK_KIT_FAULT_H

#include <lua.h>

typedef struct Fault {
    const char *name;
    int width; /* for `arm`: at how many points in a row it goes wrong */
    /* From now on points are counted, and the n-th goes wrong; with 0 none does. */
    void (*arm)(lua_State *L, long n, int width);
    /* Nothing goes wrong any more. Returns how many points were passed; L may be NULL. */
    long (*disarm)(lua_State *L);
} Fault;

#endif
