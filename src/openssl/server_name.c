/*
** Implements server_name.h.
*/
#include "base/platform.h"

#include "openssl/server_name.h"

#include <lauxlib.h>
#include <string.h>

enum { LONGEST_LABEL = 63 };

/* Returns the byte in lower case, or 0 if no name has it. Does not depend on the locale. */
static char server_name_fold(char byte) {
    if (byte >= 'A' && byte <= 'Z') return (char)(byte - 'A' + 'a');
    bool is_valid = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
                    byte == '_' || byte == '.';
    return is_valid ? byte : 0;
}

bool server_name_clean(const char *text, size_t size, char name[SERVER_NAME_SIZE]) {
    size_t label = 0;
    if (size > 0 && text[size - 1] == '.') size--;
    if (size >= SERVER_NAME_SIZE) return false;
    for (size_t i = 0; i < size; i++) {
        name[i] = server_name_fold(text[i]);
        if (name[i] == 0 || (name[i] == '.' && label == 0)) return false;
        label = name[i] == '.' ? 0 : label + 1;
        if (label > LONGEST_LABEL) return false;
    }
    name[size] = '\0';
    return label > 0;
}

size_t server_name_address(const char *name, unsigned char address[ADDRESS_SIZE]) {
    if (inet_pton(AF_INET, name, address) == 1) return 4;
    return inet_pton(AF_INET6, name, address) == 1 ? 16 : 0;
}

int server_name_lua(lua_State *L) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    unsigned char address[ADDRESS_SIZE];
    char name[SERVER_NAME_SIZE];
    const char *zone = strchr(text, ':') != NULL ? strchr(text, '%') : NULL;
    if (strlen(text) < size) return 0;
    lua_pushlstring(L, text, zone != NULL ? (size_t)(zone - text) : size);
    if (server_name_address(lua_tostring(L, -1), address) > 0) return 1;
    if (!server_name_clean(text, size, name) || server_name_address(name, address) > 0) return 0;
    lua_pushstring(L, name);
    return 1;
}
