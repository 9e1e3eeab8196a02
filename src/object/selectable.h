/*
** Selectables: how a select waits on objects of one kind. Each kind attaches its
** selectable to its metatable, and a select knows nothing else of the kind.
*/
#ifndef ARSENAL_OBJECT_SELECTABLE_H
#define ARSENAL_OBJECT_SELECTABLE_H

#include "kernel/wait_queue.h"

#include <lua.h>

typedef struct Selectable {
    /*
    ** (object): makes the object's natural call, such as recv, if it would not wait.
    ** Returns the call's results, or selectable_no_results(L) if the call has none.
    ** Returns 0, no results, if the call would wait.
    */
    lua_CFunction attempt;
    /* Lets the waiter wait until an attempt is worth making. Returns 0 or a status. */
    int (*watch)(void *object, Waiter *waiter);
    void (*unwatch)(void *object); /* a waiter of `watch` has left; may be NULL */
    const struct Selectable
        *sending; /* for cases {object, value}: its attempt takes both; or NULL */
} Selectable;

/* [-0, +0] attaches it to the objects with the metatable on top. */
void selectable_attach(lua_State *L, const Selectable *selectable);

const Selectable *selectable_of(lua_State *L, int index); /* NULL for a value that has none */

int selectable_no_results(lua_State *L);
bool selectable_has_no_results(lua_State *L, int index); /* whether that is what is there */

#endif
