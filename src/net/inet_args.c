/*
** Owns the checks of hosts and ports in the arguments of TCP and UDP.
*/
#include "net/inet_args.h"

#include "base/args.h"

#include <lauxlib.h>
#include <string.h>
#include <uv.h>

enum { LARGEST_PORT = 65535 };

void inet_args_address(lua_State *L, int index, Address *address) {
    const char *host = luaL_checkstring(L, index);
    int port = (int)args_integer(L, index + 1, 0, LARGEST_PORT);
    if (!address_parse(address, host, port)) luaL_argerror(L, index, "numeric address expected");
}

int inet_args_local(lua_State *L, int index, int family, Address *local) {
    size_t length;
    const char *host = args_string_option(L, index, "local_address", &length);
    int port = (int)args_integer_option(L, index, "local_port", 0, LARGEST_PORT, 0);
    memset(local, 0, sizeof *local);
    if (host == NULL && port == 0) return 0;
    if (host != NULL && strlen(host) != length) return UV_EINVAL;
    if (host == NULL) host = family == AF_INET6 ? "::" : "0.0.0.0";
    if (!address_parse(local, host, port)) return UV_EINVAL;
    return local->any.sa_family == family ? 0 : UV_EAFNOSUPPORT;
}
