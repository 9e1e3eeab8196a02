/*
** Messages: strings and integers that are sent together. A small message is
** joined in a buffer, because one plain write costs less than gathering its
** parts in Lua's stack and in the kernel.
*/
#ifndef ARSENAL_STREAM_MESSAGE_H
#define ARSENAL_STREAM_MESSAGE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum { MESSAGE_SMALL = 4096, MESSAGE_PARTS = 256 };

/*
** Joins the values at `first` to `last`: strings, integers, and lists of these up
** to `depth` levels deep. Returns the size; or -1 if there is anything else, if a
** list has more than MESSAGE_PARTS items, or if they do not fit into MESSAGE_SMALL
** bytes. Neither allocates memory nor raises an error.
*/
ptrdiff_t message_join(lua_State *L, int first, int last, int depth, char *joined);

#endif
