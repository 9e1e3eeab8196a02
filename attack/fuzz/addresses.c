/*
** Fuzzes base/address: the forms of an address, from a host's name and back, and
** from a socket's address. An address is compared with what the C library reads.
*/
#include "input.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <string.h>

static lua_State *L;

/* Whether the C library takes it for a numeric host; a zone is libuv's business. */
static bool is_numeric(const char *host, Address *expected) {
    memset(expected, 0, sizeof *expected);
    if (inet_pton(AF_INET, host, &expected->v4.sin_addr) == 1) {
        expected->any.sa_family = AF_INET;
        return true;
    }
    expected->any.sa_family = AF_INET6;
    return inet_pton(AF_INET6, host, &expected->v6.sin6_addr) == 1;
}

static bool is_mapped(const Address *address) {
    return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr);
}

/* The text of an address is one of the same address. An IPv4 one has no zone. */
static void address_check_text(const Address *address) {
    Address again;
    address_push_host(L, address);
    const char *host = lua_tostring(L, -1);
    fuzz_require(address_parse(&again, host, address_port(address)));
    if (again.any.sa_family != address->any.sa_family) address_map(&again); /* ::ffff:1.2.3.4 */
    if (is_mapped(address)) again.v6.sin6_scope_id = address->v6.sin6_scope_id;
    fuzz_require(address_same_host(&again, address));
    fuzz_require(address_port(&again) == address_port(address));
    address_push(L, address);
    const char *text = lua_tostring(L, -1);
    fuzz_require((text[0] == '[') == (strchr(host, ':') != NULL));
    fuzz_require(strstr(text, host) != NULL && strrchr(text, ':') != NULL);
    fuzz_require(atoi(strrchr(text, ':') + 1) == address_port(address));
    lua_pop(L, 2);
}

static void address_check_mapped(const Address *address) {
    Address mapped = *address;
    address_map(&mapped);
    fuzz_require(mapped.any.sa_family == AF_INET6);
    fuzz_require(address_port(&mapped) == address_port(address));
    address_push(L, address);
    address_push(L, &mapped);
    if (address->any.sa_family == AF_INET) fuzz_require(lua_rawequal(L, -1, -2));
    lua_pop(L, 2);
}

static void address_check(const Address *address) {
    Address copy;
    address_from(&copy, &address->any);
    fuzz_require(memcmp(&copy, address, address_size(address)) == 0);
    address_check_text(address);
    address_check_mapped(address);
}

/* A name that can be looked up: labels of 1 to 63 bytes, 253 in all, perhaps a dot at the end. */
static bool is_name(const char *host, size_t length) {
    if (length > 0 && host[length - 1] == '.') length--;
    size_t label = 0;
    for (size_t i = 0; i < length; i++) {
        label = host[i] == '.' ? 0 : label + 1;
        if (host[i] == '\0' || label > 63 || (host[i] == '.' && (i == 0 || host[i - 1] == '.')))
            return false;
    }
    return length > 0 && length <= 253 && host[length - 1] != '.';
}

static void host_check(const char *host, size_t length, int port) {
    Address address, expected;
    fuzz_require((address_refuse(host, length) == NULL) == is_name(host, length));
    bool parsed = address_parse(&address, host, port);
    if (strchr(host, '%') == NULL) {
        fuzz_require(parsed == is_numeric(host, &expected));
        if (parsed) fuzz_require(address_same_host(&address, &expected));
    }
    if (!parsed) return;
    fuzz_require(address_is_inet(&address) && address_port(&address) == port);
    address_set_port(&address, 65535 - port);
    fuzz_require(address_port(&address) == 65535 - port);
    address_check(&address);
}

/* An address as the kernel fills it in, of any family. */
static void raw_check(const Input *input) {
    Address address = {0};
    memcpy(&address, input->data, input->size < sizeof address ? input->size : sizeof address);
    if (input->size % 4 == 0) address.any.sa_family = AF_INET;
    if (input->size % 4 == 1) address.any.sa_family = AF_INET6;
    /* The kernel gives only link-local addresses a zone: here lo. */
    if (address.any.sa_family == AF_INET6)
        address.v6.sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(&address.v6.sin6_addr) ? 1 : 0;
    if (address_is_inet(&address)) {
        address_check(&address);
    } else {
        address_push(L, &address);
        lua_pop(L, 1);
    }
}

static int run(lua_State *state) {
    Input input = *(const Input *)lua_touserdata(state, 1);
    char host[512];
    int port = input_byte(&input) << 8 | input_byte(&input);
    if (input_byte(&input) % 2 == 1) {
        raw_check(&input);
        return 0;
    }
    size_t length = input.size < sizeof host ? input.size : sizeof host - 1;
    memcpy(host, input.data, length);
    host[length] = '\0';
    host_check(host, length, port);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Input input = {data, size};
    if (L == NULL) L = luaL_newstate();
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, &input);
    fuzz_require(lua_pcall(L, 1, 0, 0) == LUA_OK);
    return 0;
}
