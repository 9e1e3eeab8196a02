/*
** Misfits: values that may not cross to another Lua state, and the errors that
** name their place.
*/
#ifndef ARSENAL_WORKER_MISFIT_H
#define ARSENAL_WORKER_MISFIT_H

#include "worker/manifest.h"

/* Where the check has met a value. */
typedef struct Place {
    uint32_t holder; /* the object that it is in; 0: none */
    int key;         /* in a table: the place of its key on the stack; 0: it is the key itself */
    int upvalue;     /* of a function: its number, or 0 */
    int argument;    /* without a holder: which of the values it is, from 0 */
} Place;

/* Raises the error for the value at `index`, which was met at that place. */
int misfit_refuse(lua_State *L, const Manifest *manifest, int index, const Place *place);

/* Raises an error if one of the objects moves: the values are for several workers. */
void misfit_refuse_moves(lua_State *L, const Manifest *manifest);

#endif
