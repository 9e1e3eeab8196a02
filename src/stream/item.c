/*
** Owns the search for the end of each kind of item.
*/
#include "stream/item.h"

#include "base/buffer.h"

#include <lauxlib.h>
#include <string.h>

ptrdiff_t item_find_exact(lua_State *L, const char *data, size_t size, size_t *searched,
                          size_t *taken) {
    (void)searched, (void)data;
    size_t wanted = args_size(L, ITEM_SIZE);
    if (size < wanted) return ITEM_NOT_YET;
    return (ptrdiff_t)(*taken = wanted);
}

/* An item of `length` bytes, and after it a delimiter of `size` bytes, have been found. */
static ptrdiff_t item_found_mark(lua_State *L, size_t length, size_t size, size_t *taken) {
    if (length > args_size(L, ITEM_LIMIT)) return ITEM_TOO_LONG;
    *taken = length + size;
    return (ptrdiff_t)(lua_toboolean(L, ITEM_KEEP) ? *taken : length);
}

/* No delimiter has been found, and the item has at least `length` bytes. */
static ptrdiff_t item_found_no_mark(lua_State *L, size_t length) {
    return length > args_size(L, ITEM_LIMIT) ? ITEM_TOO_LONG : ITEM_NOT_YET;
}

ptrdiff_t item_find_delimited(lua_State *L, const char *data, size_t size, size_t *searched,
                              size_t *taken) {
    size_t needle_size;
    const char *needle = lua_tolstring(L, ITEM_DELIMITER, &needle_size);
    size_t from = *searched;
    size_t place = from + buffer_find(data + from, size - from, needle, needle_size);
    if (place < size) return item_found_mark(L, place, needle_size, taken);
    *searched = buffer_unsearched(size, needle_size);
    return item_found_no_mark(L, *searched);
}

ptrdiff_t item_find_line(lua_State *L, const char *data, size_t size, size_t *searched,
                         size_t *taken) {
    size_t from = *searched;
    const char *end = memchr(data + from, '\n', size - from);
    if (end != NULL) {
        size_t place = (size_t)(end - data);
        bool has_return = place > 0 && data[place - 1] == '\r';
        return item_found_mark(L, place - has_return, 1u + has_return, taken);
    }
    *searched = size;
    bool may_be_mark = size > 0 && data[size - 1] == '\r';
    return item_found_no_mark(L, size - may_be_mark);
}

ptrdiff_t item_find_all(lua_State *L, const char *data, size_t size, size_t *searched,
                        size_t *taken) {
    (void)searched, (void)data, (void)taken;
    return item_found_no_mark(L, size);
}
