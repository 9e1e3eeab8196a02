/*
** Selectables: how a select waits on objects of one kind. Each kind attaches its
** selectable to its metatable, and a select knows nothing else of the kind.
*/
#ifndef ARSENAL_OBJECT_SELECTABLE_H
#define ARSENAL_OBJECT_SELECTABLE_H

#include "kernel/claim.h"
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
    /* The selectable of cases {object, value}, whose attempt takes both; or NULL. */
    const struct Selectable *sending;
} Selectable;

/*
** A selectable of objects that other threads use as well, which has this in place of
** `watch` and `unwatch`: those are NULL. A record is the memory of one wait.
*/
typedef struct SharedSelectable {
    Selectable base;
    /* Raises an error for a value that can never be sent, that of the case with this number; NULL: there is no value. */
    void (*check)(lua_State *L, int value, int number);
    /*
    ** Waits for the object at an index, with an open claim. Returns 0, a status, or more
    ** than 0 if an attempt is worth making again. Finalizers may run before it waits.
    */
    int (*watch)(lua_State *L, int object, int value, Claim *claim, void **record);
    void (*unwatch)(void *record);    /* ends it; what was received is given back */
    bool (*was_served)(void *record); /* whether this is the wait for which the claim was taken */
    /* [-0, +results] ends one that was served: the call's results; 0: the call would wait now. */
    int (*finish)(lua_State *L, int object, void *record);
} SharedSelectable;

/* Returns NULL if it is none of these. */
static inline const SharedSelectable *selectable_shared(const Selectable *selectable) {
    return selectable->watch == NULL ? container_of(selectable, SharedSelectable, base) : NULL;
}

/* [-0, +0] attaches it to the objects with the metatable on top. */
void selectable_attach(lua_State *L, const Selectable *selectable);

const Selectable *selectable_of(lua_State *L, int index); /* NULL for a value that has none */

int selectable_no_results(lua_State *L);
bool selectable_has_no_results(lua_State *L, int index); /* whether that is what is there */

#endif
