/*
** Owns how the two ends of a socket are pushed for Lua.
*/
#include "system/socket_name.h"

#include "system/socket.h"

#include <string.h>

/* Asks for a Unix name, which has room for an inet address, too. */
static int socket_name_ask(int fd, End end, UnixAddress *name, Address *address) {
    memset(name, 0, sizeof *name);
    int status = end == END_LOCAL ? socket_local_unix(fd, name) : socket_remote_unix(fd, name);
    memcpy(address, &name->address, sizeof *address);
    return status;
}

void socket_name_push_text(lua_State *L, int fd, End end) {
    UnixAddress name;
    Address address;
    if (socket_name_ask(fd, end, &name, &address) != 0)
        lua_pushliteral(L, "?");
    else if (address_is_inet(&address))
        address_push(L, &address);
    else
        unix_address_push_text(L, &name);
}

int socket_name_push(lua_State *L, int fd, End end) {
    UnixAddress name;
    Address address;
    int status = socket_name_ask(fd, end, &name, &address);
    if (status != 0) return status;
    if (address_is_inet(&address)) return socket_name_push_inet(L, &address);
    unix_address_push(L, &name);
    return 1;
}

int socket_name_push_inet(lua_State *L, const Address *address) {
    address_push_host(L, address);
    lua_pushinteger(L, address_port(address));
    return 2;
}
