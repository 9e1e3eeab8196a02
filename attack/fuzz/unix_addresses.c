/*
** Fuzzes base/unix_address: a name from Lua and back, and a name as the kernel
** fills it in.
*/
#include "input.h"

#include "base/unix_address.h"

#include <lauxlib.h>
#include <string.h>
#include <uv.h>

enum { PATH_MOST = sizeof(((struct sockaddr_un *)NULL)->sun_path) };

static lua_State *L;

/* What unix_address_parse should return. */
static int expected_status(const char *path, size_t length) {
    if (length == 0) return UV_EINVAL;
    if (path[0] == '\0') {
        if (length == 1) return UV_EINVAL;
        return length > PATH_MOST ? UV_ENAMETOOLONG : 0;
    }
    if (memchr(path, '\0', length) != NULL) return UV_EINVAL;
    return length + 1 > PATH_MOST ? UV_ENAMETOOLONG : 0;
}

/* The text has no NUL, and is as long as the name. */
static void text_check(const UnixAddress *name) {
    size_t length, text_length;
    unix_address_push(L, name);
    unix_address_push_text(L, name);
    lua_tolstring(L, -2, &length);
    const char *text = lua_tolstring(L, -1, &text_length);
    fuzz_require(memchr(text, '\0', text_length) == NULL);
    if (length > 0) fuzz_require(text_length == length);
    if (unix_address_is_abstract(name)) fuzz_require(text[0] == '@');
    lua_pop(L, 2);
}

static void path_check(const char *path, size_t length) {
    UnixAddress name;
    const char *wrong;
    size_t again_length;
    lua_pushlstring(L, path, length); /* ends with a NUL, as a path from Lua does */
    int status = unix_address_parse(&name, lua_tostring(L, -1), length, &wrong);
    fuzz_require(status == expected_status(path, length));
    fuzz_require((status == UV_EINVAL) == (wrong != NULL));
    if (status == 0) {
        fuzz_require(unix_address_is_abstract(&name) == (path[0] == '\0'));
        unix_address_push(L, &name);
        const char *again = lua_tolstring(L, -1, &again_length);
        fuzz_require(again_length == length && memcmp(again, path, length) == 0);
        lua_pop(L, 1);
        text_check(&name);
    }
    lua_pop(L, 1);
}

/* The size that the kernel returns may exceed the memory that the name was given. */
static void raw_check(Input *input) {
    UnixAddress name = {.size = input_byte(input)};
    size_t size = input->size < sizeof name.address ? input->size : sizeof name.address;
    memcpy(&name.address, input->data, size);
    text_check(&name);
}

static int run(lua_State *state) {
    Input input = *(const Input *)lua_touserdata(state, 1);
    if (input_byte(&input) % 4 == 0)
        raw_check(&input);
    else
        path_check((const char *)input.data, input.size);
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
