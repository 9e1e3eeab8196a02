/*
** Formats: what file:read takes from the front of the bytes that were read ahead. A
** format knows where its value ends, and nothing of the file.
*/
#ifndef ARSENAL_OS_FILE_FORMAT_H
#define ARSENAL_OS_FILE_FORMAT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct FormatInput {
    const char *data;
    size_t size;
    bool at_end;     /* no more bytes will come */
    size_t searched; /* bytes at the front that contain no newline; is updated */
    size_t taken;    /* set: the bytes that the value has used */
} FormatInput;

enum { FORMAT_FAILS = -1, FORMAT_NEEDS_MORE, FORMAT_TAKEN };

/* [-0, +0] raises an argument error unless the argument at `index` is a format. */
void format_check(lua_State *L, int index, int argument);

/* Takes the value of the format at `index`: [-0, +1] if FORMAT_TAKEN is returned, otherwise [-0, +0]. */
int format_take(lua_State *L, int index, FormatInput *input);

/* How many more bytes the value is worth reading at once, beyond `least`. */
size_t format_wanted(lua_State *L, int index, size_t have, size_t least);

#endif
