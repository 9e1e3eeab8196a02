/*
** Sources: what a select can wait on. Each kind of object that may be a case
** attaches one to its metatable, and a select knows nothing else of it.
*/
#ifndef ARSENAL_OBJECT_SELECTABLE_H
#define ARSENAL_OBJECT_SELECTABLE_H

#include "kernel/wait_queue.h"

#include <lua.h>

typedef struct Selectable {
    /*
    ** (object): its natural call if that needs no wait, with the call's results,
    ** or selectable_no_results(L) where it has none; else no result.
    */
    lua_CFunction attempt;
    /* Lets the waiter wait for a moment when it is worth trying. Returns 0 or a status. */
    int (*watch)(void *object, Waiter *waiter);
    void (*unwatch)(void *object);    /* a waiter of `watch` has left; may be NULL */
    const struct Selectable *sending; /* of a case {object, value}: (object, value); or NULL */
} Selectable;

/* [-0, +0] makes the source that of the objects with the metatable on top. */
void selectable_attach(lua_State *L, const Selectable *source);

const Selectable *selectable_of(lua_State *L, int index); /* NULL for a value that has none */

int selectable_no_results(lua_State *L);
bool selectable_has_no_results(lua_State *L, int index); /* whether that is what is there */

#endif
