/*
** Owns what is UDP's own: making sockets, their options, and multicast groups.
** Names and options' defaults are in Lua.
*/
#include "base/openers.h"

#include "net/datagram.h"
#include "base/error.h"
#include "system/socket.h"

#include <limits.h>

/* (host, port): a numeric address; its callers have resolved names. */
static void check_address(lua_State *L, Address *address) {
    const char *host = luaL_checkstring(L, 1);
    int port = (int)args_integer(L, 2, 0, 65535);
    if (!address_parse(address, host, port)) luaL_argerror(L, 1, "numeric address expected");
}

static int set_buffers(lua_State *L, int options, int fd) {
    int for_recv = (int)args_integer_option(L, options, "recv_buffer", 1, INT_MAX, 0);
    int for_send = (int)args_integer_option(L, options, "send_buffer", 1, INT_MAX, 0);
    int status = for_recv > 0 ? socket_set(fd, SOCKET_RECV_BUFFER, for_recv) : 0;
    if (status == 0 && for_send > 0) status = socket_set(fd, SOCKET_SEND_BUFFER, for_send);
    return status;
}

static int set_flags(lua_State *L, int options, int fd, int family) {
    int status = 0;
    if (args_boolean_option(L, options, "reuseaddr", false))
        status = socket_set(fd, SOCKET_REUSEADDR, 1);
    if (status == 0 && args_boolean_option(L, options, "reuseport", false))
        status = socket_set(fd, SOCKET_REUSEPORT, 1);
    if (status == 0 && family == AF_INET6)
        status =
            socket_set(fd, SOCKET_IPV6ONLY, args_boolean_option(L, options, "ipv6only", false));
    if (status == 0 && args_boolean_option(L, options, "broadcast", false))
        status = socket_set_datagram(fd, family, DATAGRAM_BROADCAST, 1);
    return status;
}

/* Gives the object a descriptor of the address's family, or returns a status. */
static int open_descriptor(lua_State *L, Datagram *socket, int options, int family) {
    int fd = socket_open(family, SOCK_DGRAM);
    if (fd < 0) return fd;
    datagram_adopt(socket, fd);
    int status = set_flags(L, options, fd, family);
    return status != 0 ? status : set_buffers(L, options, fd);
}

static int end_making(lua_State *L, Datagram *socket, const Address *address, const char *verb,
                      int status) {
    if (status == 0) return 1;
    handle_close(&socket->handle);
    address_push(L, address);
    return error_push(L, status, "%s %s", verb, lua_tostring(L, -1));
}

/* udp_bind(host, port, options): types are checked by the caller. */
static int udp_bind(lua_State *L) {
    Address address;
    check_address(L, &address);
    Datagram *socket = datagram_new(L, address.any.sa_family);
    int status = open_descriptor(L, socket, 3, address.any.sa_family);
    if (status == 0) status = socket_bind(socket->poller.fd, &address);
    return end_making(L, socket, &address, "bind", status);
}

static int bind_locally(lua_State *L, int options, int fd, int family) {
    Address address;
    const char *host = args_string_option(L, options, "local_address", NULL);
    int port = (int)args_integer_option(L, options, "local_port", 0, 65535, 0);
    if (host == NULL && port == 0) return 0;
    if (host == NULL) host = family == AF_INET6 ? "::" : "0.0.0.0";
    if (!address_parse(&address, host, port)) return UV_EINVAL;
    return address.any.sa_family == family ? socket_bind(fd, &address) : UV_EAFNOSUPPORT;
}

/* udp_connect(host, port, options): never waits. */
static int udp_connect(lua_State *L) {
    Address address;
    check_address(L, &address);
    Datagram *socket = datagram_new(L, address.any.sa_family);
    int status = open_descriptor(L, socket, 3, address.any.sa_family);
    if (status == 0) status = bind_locally(L, 3, socket->poller.fd, address.any.sa_family);
    if (status == 0) status = socket_connect(socket->poller.fd, &address);
    return end_making(L, socket, &address, "connect", status);
}

/* --- multicast groups --- */

/* The index of the interface at `index`, 0 for nil; an argument error if there is none. */
static unsigned check_interface(lua_State *L, int index) {
    if (lua_isnoneornil(L, index)) return 0;
    luaL_checktype(L, index, LUA_TSTRING);
    return socket_interface_index(lua_tostring(L, index));
}

static int set_member(lua_State *L, const char *verb, bool member) {
    Datagram *socket = datagram_check(L, 1);
    Address group;
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *host = lua_tostring(L, 2);
    unsigned interface = check_interface(L, 3);
    int status = UV_EINVAL;
    if (!socket->handle.open)
        status = ARSENAL_CLOSED;
    else if (!lua_isnoneornil(L, 3) && interface == 0)
        status = UV_ENODEV;
    else if (address_parse(&group, host, 0))
        status = socket_set_member(socket->poller.fd, &group, interface, member);
    if (status != 0) {
        handle_push_name(L, &socket->handle);
        return error_push(L, status, "%s %s on %s", verb, host, lua_tostring(L, -1));
    }
    lua_pushboolean(L, true);
    return 1;
}

/*
** socket:join_group(group [, interface]) receives from now on what is sent to
** the multicast address `group`. `interface`: its name or one of its addresses.
*/
static int join_group(lua_State *L) {
    return set_member(L, "join_group", true);
}

/* socket:leave_group(group [, interface]) */
static int leave_group(lua_State *L) {
    return set_member(L, "leave_group", false);
}

/* --- options --- */

typedef struct Option {
    enum { FLAG, NUMBER, INTERFACE } kind;
    bool datagram; /* whether `which` is a DatagramOption */
    int which;
    int min, max; /* of a number */
} Option;

static int option_value(lua_State *L, const Option *option) {
    switch (option->kind) {
    case FLAG:
        luaL_checktype(L, 3, LUA_TBOOLEAN);
        return lua_toboolean(L, 3);
    case NUMBER:
        return (int)args_integer(L, 3, option->min, option->max);
    case INTERFACE:
        luaL_checktype(L, 3, LUA_TSTRING);
        return (int)check_interface(L, 3);
    }
    return 0;
}

/* socket:set_option(name, value): see the reference for names and values. */
static int set_option(lua_State *L) {
    static const char *const names[] = {"broadcast",           "ttl",
                                        "multicast_ttl",       "multicast_loop",
                                        "multicast_interface", "recv_buffer",
                                        "send_buffer",         NULL};
    static const Option options[] = {
        {FLAG, true, DATAGRAM_BROADCAST, 0, 0},
        {NUMBER, true, DATAGRAM_TTL, 1, 255},
        {NUMBER, true, DATAGRAM_MULTICAST_TTL, 0, 255},
        {FLAG, true, DATAGRAM_MULTICAST_LOOP, 0, 0},
        {INTERFACE, true, DATAGRAM_MULTICAST_INTERFACE, 0, 0},
        {NUMBER, false, SOCKET_RECV_BUFFER, 1, INT_MAX},
        {NUMBER, false, SOCKET_SEND_BUFFER, 1, INT_MAX},
    };
    Datagram *socket = datagram_check(L, 1);
    const Option *option = &options[luaL_checkoption(L, 2, NULL, names)];
    int value = option_value(L, option), status;
    if (!socket->handle.open)
        status = ARSENAL_CLOSED;
    else if (option->kind == INTERFACE && value == 0)
        status = UV_ENODEV;
    else if (option->datagram)
        status = socket_set_datagram(socket->poller.fd, socket->family,
                                     (DatagramOption)option->which, value);
    else
        status = socket_set(socket->poller.fd, (SocketOption)option->which, value);
    if (status != 0) return handle_fail(L, &socket->handle, "set_option", status);
    lua_pushboolean(L, true);
    return 1;
}

static const luaL_Reg functions[] = {
    {"udp_bind", udp_bind},
    {"udp_connect", udp_connect},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"join_group", join_group},
    {"leave_group", leave_group},
    {"set_option", set_option},
    {NULL, NULL},
};

void udp_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "datagram_methods");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
