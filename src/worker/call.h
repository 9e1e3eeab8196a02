/*
** Calls: an entry and its arguments on their way to another Lua state, and what
** comes back from there.
*/
#ifndef ARSENAL_WORKER_CALL_H
#define ARSENAL_WORKER_CALL_H

#include "worker/parcel.h"

typedef enum Outcome { OUTCOME_NO_MEMORY, OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_CANCELLED } Outcome;

typedef struct Call {
    Parcel *entry; /* and its arguments; NULL once it was taken */
    Outcome outcome;
    Parcel *result; /* the results, or the error and its traceback; or NULL */
} Call;

void call_free(Call *call);

/* --- where it was made --- */

/* Raises an argument error unless an entry is there: a function of Lua, or a module's name. */
void call_check_entry(lua_State *L, int index);

/* [-0, +1] the entry at `index` in words */
const char *call_push_name(lua_State *L, int index);

/* [-0, +n] "done" and the results; "failed", the error and its traceback; or "cancelled"; returns n. */
int call_push_outcome(lua_State *L, Call *call);

/* --- in the other state --- */

/* [-0, +n] takes the entry: pushes a function and its arguments. */
void call_push_entry(lua_State *L, Call *call);

/* [-0, +0] The call has returned the `count` values on top. Raises an error if they cannot cross. */
void call_done(lua_State *L, Call *call, int count);

/* [-0, +0] The call has failed with the error and the traceback on top. Raises nothing. */
void call_failed(lua_State *L, Call *call);

#endif
