/*
** Owns what is UDP's own: making sockets, their options, and multicast groups.
** Looking names up and the options' defaults are Lua's part.
*/
#include "base/openers.h"

#include "base/error.h"
#include "net/datagram.h"
#include "net/inet_args.h"
#include "system/datagram_options.h"
#include "system/socket.h"

#include <limits.h>

/* --- making sockets --- */

enum { OPTIONS = 3 }; /* after host and port */

static int udp_set_buffers(lua_State *L, int fd) {
    int for_recv = (int)args_integer_option(L, OPTIONS, "recv_buffer", 1, INT_MAX, 0);
    int for_send = (int)args_integer_option(L, OPTIONS, "send_buffer", 1, INT_MAX, 0);
    int status = for_recv > 0 ? socket_set(fd, SOCKET_RECV_BUFFER, for_recv) : 0;
    if (status == 0 && for_send > 0) status = socket_set(fd, SOCKET_SEND_BUFFER, for_send);
    return status;
}

static int udp_set_flags(lua_State *L, int fd, int family) {
    int status = 0;
    if (args_boolean_option(L, OPTIONS, "reuseaddr", false))
        status = socket_set(fd, SOCKET_REUSEADDR, 1);
    if (status == 0 && args_boolean_option(L, OPTIONS, "reuseport", false))
        status = socket_set(fd, SOCKET_REUSEPORT, 1);
    if (status == 0 && family == AF_INET6)
        status =
            socket_set(fd, SOCKET_IPV6ONLY, args_boolean_option(L, OPTIONS, "ipv6only", false));
    if (status == 0 && args_boolean_option(L, OPTIONS, "broadcast", false))
        status = datagram_options_set(fd, family, DATAGRAM_BROADCAST, 1);
    return status;
}

/* Gives the object a descriptor with the options. Returns a status. */
static int udp_open_descriptor(lua_State *L, DatagramSocket *udp) {
    int fd = socket_open(udp->family, SOCK_DGRAM);
    if (fd < 0) return fd;
    datagram_adopt(udp, fd);
    int status = udp_set_flags(L, fd, udp->family);
    return status != 0 ? status : udp_set_buffers(L, fd);
}

static int udp_end_making(lua_State *L, DatagramSocket *udp, const Address *address,
                          const char *verb, int status) {
    if (status == 0) return 1;
    handle_close(&udp->socket.handle);
    address_push(L, address);
    return error_push(L, status, "%s %s", verb, lua_tostring(L, -1));
}

/* udp_bind(host, port, options): types are checked by the caller. */
static int udp_bind(lua_State *L) {
    Address address;
    inet_args_address(L, 1, &address);
    DatagramSocket *udp = datagram_new(L, &udp_kind, address.any.sa_family);
    int status = udp_open_descriptor(L, udp);
    if (status == 0) status = socket_bind(udp->socket.poller.fd, &address);
    return udp_end_making(L, udp, &address, "bind", status);
}

static int udp_bind_locally(lua_State *L, const DatagramSocket *udp) {
    Address local;
    int status = inet_args_local(L, OPTIONS, udp->family, &local);
    if (status != 0 || !address_is_inet(&local)) return status;
    return socket_bind(udp->socket.poller.fd, &local);
}

/* udp_connect(host, port, options): never waits. */
static int udp_connect(lua_State *L) {
    Address address;
    inet_args_address(L, 1, &address);
    DatagramSocket *udp = datagram_new(L, &udp_kind, address.any.sa_family);
    int status = udp_open_descriptor(L, udp);
    if (status == 0) status = udp_bind_locally(L, udp);
    if (status == 0) status = socket_connect(udp->socket.poller.fd, &address);
    return udp_end_making(L, udp, &address, "connect", status);
}

/* --- multicast groups --- */

static int udp_set_member(lua_State *L, const char *verb, bool member) {
    DatagramSocket *udp = datagram_check_type(L, 1, DATAGRAM_UDP);
    Address group;
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *host = lua_tostring(L, 2);
    bool is_named = !lua_isnoneornil(L, 3);
    if (is_named) luaL_checktype(L, 3, LUA_TSTRING);
    unsigned interface_index = is_named ? socket_interface_index(lua_tostring(L, 3)) : 0;
    int status = UV_EINVAL;
    if (!handle_is_ours(&udp->socket.handle))
        status = ARSENAL_CLOSED;
    else if (is_named && interface_index == 0)
        status = UV_ENODEV;
    else if (address_parse(&group, host, 0))
        status = socket_set_member(udp->socket.poller.fd, &group, interface_index, member);
    if (status != 0) {
        handle_push_name(L, &udp->socket.handle);
        error_push(L, status, "%s %s on %s", verb, host, lua_tostring(L, -1));
        return handle_set_failed(L, &udp->socket.handle);
    }
    lua_pushboolean(L, true);
    return 1;
}

/*
** socket:join_group(group [, interface]) receives from now on what is sent to
** the multicast address `group`. `interface`: its name or one of its addresses.
*/
static int udp_join_group(lua_State *L) {
    return udp_set_member(L, "join_group", true);
}

/* socket:leave_group(group [, interface]) */
static int udp_leave_group(lua_State *L) {
    return udp_set_member(L, "leave_group", false);
}

/* --- options --- */

typedef struct UdpOption {
    enum { OPTION_FLAG, OPTION_NUMBER, OPTION_INTERFACE } kind;
    bool datagram; /* whether `which` is a DatagramOption */
    int which;
    int min, max; /* of a number */
} UdpOption;

/* The value at 3; for an interface, its index, 0 if there is none of that name. */
static int udp_option_value(lua_State *L, const UdpOption *option) {
    switch (option->kind) {
    case OPTION_FLAG:
        luaL_checktype(L, 3, LUA_TBOOLEAN);
        return lua_toboolean(L, 3);
    case OPTION_NUMBER:
        return (int)args_integer(L, 3, option->min, option->max);
    case OPTION_INTERFACE:
        luaL_checktype(L, 3, LUA_TSTRING);
        return (int)socket_interface_index(lua_tostring(L, 3));
    }
    return 0;
}

static int udp_apply_option(const DatagramSocket *udp, const UdpOption *option, int value) {
    int fd = udp->socket.poller.fd;
    if (!handle_is_ours(&udp->socket.handle)) return ARSENAL_CLOSED;
    if (option->kind == OPTION_INTERFACE && value == 0) return UV_ENODEV;
    if (!option->datagram) return socket_set(fd, (SocketOption)option->which, value);
    return datagram_options_set(fd, udp->family, (DatagramOption)option->which, value);
}

/* socket:set_option(name, value): see the reference for names and values. */
static int udp_set_option(lua_State *L) {
    static const char *const names[] = {"broadcast",           "ttl",
                                        "multicast_ttl",       "multicast_loop",
                                        "multicast_interface", "recv_buffer",
                                        "send_buffer",         NULL};
    static const UdpOption options[] = {
        {OPTION_FLAG, true, DATAGRAM_BROADCAST, 0, 0},
        {OPTION_NUMBER, true, DATAGRAM_TTL, 1, 255},
        {OPTION_NUMBER, true, DATAGRAM_MULTICAST_TTL, 0, 255},
        {OPTION_FLAG, true, DATAGRAM_MULTICAST_LOOP, 0, 0},
        {OPTION_INTERFACE, true, DATAGRAM_MULTICAST_INTERFACE, 0, 0},
        {OPTION_NUMBER, false, SOCKET_RECV_BUFFER, 1, INT_MAX},
        {OPTION_NUMBER, false, SOCKET_SEND_BUFFER, 1, INT_MAX},
    };
    const DatagramSocket *udp = datagram_check_type(L, 1, DATAGRAM_UDP);
    const UdpOption *option = &options[luaL_checkoption(L, 2, NULL, names)];
    int status = udp_apply_option(udp, option, udp_option_value(L, option));
    if (status != 0) return handle_fail(L, &udp->socket.handle, "set_option", status);
    lua_pushboolean(L, true);
    return 1;
}

static const luaL_Reg functions[] = {
    {"udp_bind", udp_bind},
    {"udp_connect", udp_connect},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"join_group", udp_join_group},
    {"leave_group", udp_leave_group},
    {"set_option", udp_set_option},
    {NULL, NULL},
};

void udp_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "datagram_methods");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
