/*
** Addresses: between Lua's host and port and the system's sockaddr.
*/
#ifndef ARSENAL_BASE_ADDRESS_H
#define ARSENAL_BASE_ADDRESS_H

#include "base/platform.h"

#include <lua.h>
#include <stdbool.h>

typedef union Address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Address;

bool address_parse(Address *address, const char *host, int port); /* numeric hosts only */
void address_from(Address *address, const struct sockaddr *from);
int address_port(const Address *address);
void address_set_port(Address *address, int port);
socklen_t address_size(const Address *address);

/*
** Turns an IPv4 address into the form that IPv6 sockets accept, ::ffff:1.2.3.4.
** The functions that push an address still show it as IPv4.
*/
void address_map(Address *address);

bool address_same_host(const Address *a, const Address *b);

static inline bool address_is_inet(const Address *address) {
    return address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6;
}

void address_push_host(lua_State *L, const Address *address); /* [-0, +1] "::1" */
void address_push(lua_State *L, const Address *address);      /* [-0, +1] "[::1]:80" */

/* [-0, +1] "host:port"; a host that contains colons gets brackets */
void address_push_endpoint(lua_State *L, const char *host, int port);

/* Returns NULL, or the reason why `host` cannot be looked up. */
const char *address_refuse(const char *host, size_t length);

#endif
