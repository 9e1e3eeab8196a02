/*
** The module cache: arsenal's own Lua files, compiled once for the process, since each
** worker that uses arsenal loads them. Nothing is ever taken out of it.
*/
#ifndef ARSENAL_WORKER_MODULE_CACHE_H
#define ARSENAL_WORKER_MODULE_CACHE_H

#include <lua.h>

/*
** [-0, +0] From here on `require` takes arsenal's modules from the cache. A module is
** there once a state with the same package.path has loaded it, also if its file has
** changed since. The table of the package library is on top.
*/
void module_cache_use(lua_State *L);

#endif
