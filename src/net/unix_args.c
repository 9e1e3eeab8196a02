/*
** Owns the check of Unix names in arguments, and how failures name them.
*/
#include "net/unix_args.h"

#include "base/error.h"

#include <lauxlib.h>

bool unix_args_name(lua_State *L, int index, UnixAddress *name, const char *verb) {
    size_t length;
    const char *wrong, *path = luaL_checklstring(L, index, &length);
    int status = unix_address_parse(name, path, length, &wrong);
    if (status == 0) return true;
    if (wrong != NULL)
        error_push_reason(L, status, lua_pushfstring(L, "%s: %s", verb, wrong));
    else
        error_push(L, status, "%s %s", verb, path);
    return false;
}

int unix_args_fail(lua_State *L, const UnixAddress *name, const char *verb, int status) {
    unix_address_push_text(L, name);
    return error_push(L, status, "%s %s", verb, lua_tostring(L, -1));
}
