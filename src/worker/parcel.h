/*
** Parcels: values on their way from one Lua state to another. A parcel is one
** block of memory that neither state owns: it may be handed from thread to thread.
** docs/reference/workers.md says what may cross.
*/
#ifndef ARSENAL_WORKER_PARCEL_H
#define ARSENAL_WORKER_PARCEL_H

#include <lua.h>
#include <stdbool.h>

typedef struct Parcel Parcel;

/*
** Packs the `count` values from the absolute index `first` on. All is checked before
** anything happens:
** - A value that may not cross raises an error, which names its place. Without
**   `what` it is an argument error, for the values are arguments of the running
**   function; otherwise it starts with `what`, such as "result %d", where %d stands for its number.
** - For an object that cannot cross now, as a task waits on it: returns NULL, and
**   pushes nil, message, code.
** Otherwise pushes nothing. Sockets move into the parcel when it departs. Until then
** the values must stay where they are, and no Lua code may run.
*/
Parcel *parcel_prepare(lua_State *L, int first, int count, const char *what);
void parcel_depart(Parcel *parcel);      /* at most once; touches no Lua state */
bool parcel_moves(const Parcel *parcel); /* whether something moves into it when it departs */

/* parcel_prepare and parcel_depart */
Parcel *parcel_pack(lua_State *L, int first, int count, const char *what);

/*
** The same for a function that is to be called, and its arguments. A function whose only
** upvalue is the table of global variables is always copied, even if it is the field of a
** module: so the loaded modules need not be searched.
*/
Parcel *parcel_pack_call(lua_State *L, int first, int count);

/* Whether there are sockets or the like among the values. */
bool parcel_has_objects(const Parcel *parcel);

/*
** [-0, +count] Pushes the values. They may be pushed once. If that raises an error,
** such as that of a lack of memory, the parcel is as it was, and can be unpacked
** later: nothing is lost. Modules that functions use are required here, and can fail.
*/
void parcel_unpack(lua_State *L, Parcel *parcel);

/* Frees the parcel, and closes what has not arrived, in any thread. NULL: does nothing. */
void parcel_free(Parcel *parcel);

#endif
