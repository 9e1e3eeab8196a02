/*
** Unix names: between Lua's path and the system's sockaddr_un. A name that
** starts with a NUL is in Linux's abstract space. Floor 0.
*/
#ifndef ARSENAL_UNIX_NAME_H
#define ARSENAL_UNIX_NAME_H

#include "base/platform.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct UnixName {
    struct sockaddr_un address;
    socklen_t size;
} UnixName;

/* 0, or UV_ENAMETOOLONG, or UV_EINVAL and why */
int unix_name_parse(UnixName *name, const char *path, size_t length, const char **wrong);

bool unix_name_is_abstract(const UnixName *name);

void unix_name_push(lua_State *L, const UnixName *name); /* [-0, +1] as it was given; "": none */
void unix_name_push_text(lua_State *L, const UnixName *name); /* [-0, +1] "/run/a", "@abstract" */

#endif
