/*
** The check of values that are to cross to another Lua state.
*/
#ifndef ARSENAL_WORKER_PARCEL_CHECK_H
#define ARSENAL_WORKER_PARCEL_CHECK_H

#include "worker/manifest.h"

/*
** [-0, +1] starts a manifest for the values, and adds all objects in them. Raises an
** error for a value that may not cross: see misfit.h.
*/
void parcel_check(lua_State *L, Manifest *manifest, int first, int count, const char *what);

/* The same for a function that is to be called, and its arguments: see parcel_pack_call. */
void parcel_check_call(lua_State *L, Manifest *manifest, int first, int count);

#endif
