/*
** By name: what does not need to be copied to another Lua state, because the
** same module is loaded there.
*/
#ifndef ARSENAL_WORKER_BY_NAME_H
#define ARSENAL_WORKER_BY_NAME_H

#include <lua.h>
#include <stdbool.h>

/* [-0, +1 or 0] pushes the name of the loaded module that is the value at `index`; false: there is none. */
bool by_name_find_module(lua_State *L, int index);

/*
** [-0, +2 or 0] pushes the name of a loaded module and that of its field that is
** the function at `index`; false: there is none. The table of global variables is searched
** for C functions only. Neither of these two functions raises or allocates.
*/
bool by_name_find_field(lua_State *L, int index);

/* [-0, +1] These require the module, and push it or its field. They raise the errors of `require`. */
void by_name_push_module(lua_State *L, const char *module);
void by_name_push_field(lua_State *L, const char *module, const char *field);

#endif
