/*
** Sources: what a select can wait on. Each kind of object that may be a case
** attaches one to its metatable, and a select knows nothing else of it. Floor 1.
*/
#ifndef ARSENAL_SOURCE_H
#define ARSENAL_SOURCE_H

#include "kernel/wait_queue.h"

#include <lua.h>

typedef struct Source {
    /*
    ** (object): its natural call if that needs no wait, with the call's results,
    ** or source_no_results(L) where it has none; else no result.
    */
    lua_CFunction attempt;
    /* Lets the waiter wait for a moment when it is worth trying. Returns 0 or a status. */
    int (*watch)(void *object, Waiter *waiter);
    void (*unwatch)(void *object); /* a waiter of `watch` has left; may be NULL */
    const struct Source *sending;  /* of a case {object, value}: (object, value); or NULL */
} Source;

/* [-0, +0] makes the source that of the objects with the metatable on top. */
void source_attach(lua_State *L, const Source *source);

const Source *source_of(lua_State *L, int index); /* NULL for a value that has none */

int source_no_results(lua_State *L);
bool source_has_no_results(lua_State *L, int index); /* whether that is what is there */

#endif
