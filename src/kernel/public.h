/*
** What the C core needs of the Lua part: the functions that users see under
** public names and may replace, and the Lua functions that C calls. Each is
** registered by its name, once.
*/
#ifndef ARSENAL_KERNEL_PUBLIC_H
#define ARSENAL_KERNEL_PUBLIC_H

#include <lua.h>

/* [-0, +1] arsenal.NAME, as the user may have set it; nil before the Lua part is loaded. */
void public_push(lua_State *L, const char *name);

/* [-0, +1] the Lua function that was registered by this name. */
void public_push_registered(lua_State *L, const char *name);

/* [-1, +0] the user's function `name` has raised the error on top: prints it. */
void public_report_failure(lua_State *L, const char *name);

/*
** [-0, +0] Where a call does not tell the name of a function of the table on top,
** Lua's messages name it "arsenal.NAME.function".
*/
void public_name_functions(lua_State *L, const char *name);

void public_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
