/*
** Unix names: between Lua's path and the system's sockaddr_un. A name that
** starts with a NUL is in Linux's abstract space.
*/
#ifndef ARSENAL_BASE_UNIX_ADDRESS_H
#define ARSENAL_BASE_UNIX_ADDRESS_H

#include "base/platform.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct UnixAddress {
    struct sockaddr_un address;
    socklen_t size;
} UnixAddress;

/* Returns 0, UV_ENAMETOOLONG, or UV_EINVAL with the reason in *wrong. */
int unix_address_parse(UnixAddress *name, const char *path, size_t length, const char **wrong);

bool unix_address_is_abstract(const UnixAddress *name);

/* [-0, +1] the name as it was given; "" if there is none */
void unix_address_push(lua_State *L, const UnixAddress *name);

/* [-0, +1] "/run/a", "@abstract", "(unnamed)" */
void unix_address_push_text(lua_State *L, const UnixAddress *name);

#endif
