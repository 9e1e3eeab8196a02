/*
** Owns the forms of an address. Floor 0.
*/
#include "address.h"

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

void address_push_host(lua_State *L, const Address *address) {
    char host[64] = "?";
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
        uv_inet_ntop(AF_INET, address->v6.sin6_addr.s6_addr + 12, host, sizeof host);
        lua_pushstring(L, host);
        return;
    }
    if (address->any.sa_family == AF_INET6)
        uv_ip6_name(&address->v6, host, sizeof host);
    else if (address->any.sa_family == AF_INET)
        uv_ip4_name(&address->v4, host, sizeof host);
    if (address->any.sa_family == AF_INET6 && address->v6.sin6_scope_id != 0)
        lua_pushfstring(L, "%s%%%d", host, (int)address->v6.sin6_scope_id);
    else
        lua_pushstring(L, host);
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
