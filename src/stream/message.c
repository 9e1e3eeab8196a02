/*
** Owns how the parts of a small message are joined.
*/
#include "stream/message.h"

#include <string.h>

enum { MESSAGE_DIGITS = 20 }; /* of an integer, with its sign */

typedef struct Message {
    char *data;
    size_t size;
} Message;

static bool message_add_text(Message *message, const char *text, size_t length) {
    if (length > MESSAGE_SMALL - message->size) return false;
    memcpy(message->data + message->size, text, length);
    message->size += length;
    return true;
}

static bool message_add_integer(Message *message, lua_Integer value) {
    char text[MESSAGE_DIGITS], *end = text + sizeof text, *begin = end;
    lua_Unsigned rest = value < 0 ? 0 - (lua_Unsigned)value : (lua_Unsigned)value;
    do {
        *--begin = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) *--begin = '-';
    return message_add_text(message, begin, (size_t)(end - begin));
}

static bool message_add(lua_State *L, int index, int type, int depth, Message *message);

static bool message_add_list(lua_State *L, int index, int depth, Message *message) {
    lua_Unsigned count = lua_rawlen(L, index);
    bool fits = depth > 0 && count <= MESSAGE_PARTS;
    int item = lua_gettop(L) + 1;
    for (lua_Unsigned i = 1; fits && i <= count; i++) {
        int type = lua_rawgeti(L, index, (lua_Integer)i);
        fits = message_add(L, item, type, depth - 1, message);
        lua_settop(L, item - 1);
    }
    return fits;
}

static bool message_add(lua_State *L, int index, int type, int depth, Message *message) {
    if (type == LUA_TSTRING) {
        size_t length;
        const char *text = lua_tolstring(L, index, &length);
        return message_add_text(message, text, length);
    }
    if (type == LUA_TNUMBER)
        return lua_isinteger(L, index) && message_add_integer(message, lua_tointeger(L, index));
    return type == LUA_TTABLE && message_add_list(L, index, depth, message);
}

ptrdiff_t message_join(lua_State *L, int first, int last, int depth, char *joined) {
    Message message = {joined, 0};
    for (int i = first; i <= last; i++) {
        if (!message_add(L, i, lua_type(L, i), depth, &message)) return -1;
    }
    return (ptrdiff_t)message.size;
}
