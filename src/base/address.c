/*
** Owns the conversion of addresses between text, sockaddr, and host and port.
*/
#include "base/address.h"

#include <string.h>
#include <uv.h>

bool address_parse(Address *address, const char *host, int port) {
    memset(address, 0, sizeof *address);
    return uv_ip4_addr(host, port, &address->v4) == 0 || uv_ip6_addr(host, port, &address->v6) == 0;
}

socklen_t address_size(const Address *address) {
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

void address_from(Address *address, const struct sockaddr *from) {
    memset(address, 0, sizeof *address);
    memcpy(address, from, from->sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4);
}

int address_port(const Address *address) {
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

void address_set_port(Address *address, int port) {
    if (address->any.sa_family == AF_INET6)
        address->v6.sin6_port = htons((uint16_t)port);
    else
        address->v4.sin_port = htons((uint16_t)port);
}

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

void address_map(Address *address) {
    struct sockaddr_in v4 = address->v4;
    if (address->any.sa_family != AF_INET) return;
    memset(address, 0, sizeof *address);
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = v4.sin_port;
    memcpy(&address->v6.sin6_addr, mapped, sizeof mapped);
    memcpy((char *)&address->v6.sin6_addr + sizeof mapped, &v4.sin_addr, sizeof v4.sin_addr);
}

bool address_same_host(const Address *a, const Address *b) {
    if (a->any.sa_family != b->any.sa_family) return false;
    if (a->any.sa_family == AF_INET) return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0 &&
           a->v6.sin6_scope_id == b->v6.sin6_scope_id;
}

/* Writes the digits itself, to save time: each datagram that is received needs this. */
static void address_push_v4(lua_State *L, const void *address) {
    const unsigned char *bytes = address;
    char text[16], *end = text;
    for (int i = 0; i < 4; i++) {
        unsigned byte = bytes[i];
        if (byte >= 100) *end++ = (char)('0' + byte / 100);
        if (byte >= 10) *end++ = (char)('0' + byte / 10 % 10);
        *end++ = (char)('0' + byte % 10);
        *end++ = '.';
    }
    lua_pushlstring(L, text, (size_t)(end - text) - 1);
}

static void address_push_v6(lua_State *L, const struct sockaddr_in6 *address) {
    char host[64] = "?", zone[UV_IF_NAMESIZE];
    size_t size = sizeof zone;
    uv_ip6_name(address, host, sizeof host);
    lua_pushstring(L, host);
    if (address->sin6_scope_id == 0) return;
    if (uv_if_indextoname(address->sin6_scope_id, zone, &size) == 0)
        lua_pushfstring(L, "%%%s", zone);
    else
        lua_pushfstring(L, "%%%d", (int)address->sin6_scope_id);
    lua_concat(L, 2);
}

void address_push_host(lua_State *L, const Address *address) {
    if (address->any.sa_family == AF_INET)
        address_push_v4(L, &address->v4.sin_addr);
    else if (address->any.sa_family != AF_INET6)
        lua_pushliteral(L, "?");
    else if (memcmp(&address->v6.sin6_addr, mapped, sizeof mapped) == 0)
        address_push_v4(L, (const char *)&address->v6.sin6_addr + sizeof mapped);
    else
        address_push_v6(L, &address->v6);
}

void address_push(lua_State *L, const Address *address) {
    address_push_host(L, address);
    address_push_endpoint(L, lua_tostring(L, -1), address_port(address));
    lua_remove(L, -2);
}

void address_push_endpoint(lua_State *L, const char *host, int port) {
    lua_pushfstring(L, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, port);
}

const char *address_refuse(const char *host, size_t length) {
    if (length == 0) return "the host is empty";
    if (strlen(host) != length) return "the host contains a NUL byte";
    if (length > 253 + (host[length - 1] == '.')) return "the host is longer than 253 bytes";
    for (const char *label = host; *label != '\0';) {
        size_t size = strcspn(label, ".");
        if (size > 63) return "a label of the host is longer than 63 bytes";
        if (size == 0) return "the host has an empty label";
        label += size + (label[size] == '.');
    }
    return NULL;
}
