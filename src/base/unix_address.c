/*
** Owns the conversion of Unix names between Lua's path, sockaddr_un and text.
*/
#include "base/unix_address.h"

#include <lauxlib.h>
#include <string.h>
#include <uv.h>

enum { BEFORE_PATH = offsetof(struct sockaddr_un, sun_path) };

#ifdef __linux__
enum { HAS_ABSTRACT = true };
#else
enum { HAS_ABSTRACT = false };
#endif

/* Returns NULL, or the reason why the path cannot be a name. */
static const char *unix_address_refuse(const char *path, size_t length) {
    if (length == 0) return "the path is empty";
    if (path[0] != '\0') return strlen(path) == length ? NULL : "the path contains a NUL byte";
    if (!HAS_ABSTRACT) return "this system has no abstract names";
    return length > 1 ? NULL : "the abstract name is empty";
}

/* A path is followed by a NUL. An abstract name is not: the size says where it ends. */
int unix_address_parse(UnixAddress *name, const char *path, size_t length, const char **wrong) {
    memset(name, 0, sizeof *name);
    *wrong = unix_address_refuse(path, length);
    if (*wrong != NULL) return UV_EINVAL;
    size_t used = length + (path[0] != '\0');
    if (used > sizeof name->address.sun_path) return UV_ENAMETOOLONG;
    name->address.sun_family = AF_UNIX;
    memcpy(name->address.sun_path, path, length);
    name->size = (socklen_t)(BEFORE_PATH + used);
    return 0;
}

static size_t unix_address_length(const UnixAddress *name) {
    if (name->size <= BEFORE_PATH) return 0;
    size_t length = name->size - BEFORE_PATH, most = sizeof name->address.sun_path;
    if (length > most) length = most;
    return unix_address_is_abstract(name) ? length : strnlen(name->address.sun_path, length);
}

bool unix_address_is_abstract(const UnixAddress *name) {
    return HAS_ABSTRACT && name->size > BEFORE_PATH && name->address.sun_path[0] == '\0';
}

void unix_address_push(lua_State *L, const UnixAddress *name) {
    lua_pushlstring(L, name->address.sun_path, unix_address_length(name));
}

void unix_address_push_text(lua_State *L, const UnixAddress *name) {
    size_t length = unix_address_length(name);
    luaL_Buffer text;
    char *place = luaL_buffinitsize(L, &text, length);
    for (size_t i = 0; i < length; i++) /* @ for NUL, as in ss and netstat */
        place[i] = name->address.sun_path[i] == '\0' ? '@' : name->address.sun_path[i];
    luaL_addsize(&text, length);
    if (length == 0) luaL_addstring(&text, "(unnamed)");
    luaL_pushresult(&text);
}
