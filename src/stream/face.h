/*
** Faces: objects in Lua, made like those of another library, that stand for a
** stream. The calls that programs make most are C functions here, and leave what is
** rare to functions in Lua, which are upvalues of the method:
**   slow(self, ...)                                     makes any call
**   failed(self, size, nil, message, code, partial)     returns what a call that has failed does
** An object is a table with its stream at FACE_STREAM, as long as the short way is
** allowed.
*/
#ifndef ARSENAL_STREAM_FACE_H
#define ARSENAL_STREAM_FACE_H

#include "stream/receive.h"

enum { FACE_STREAM = 1 };            /* key of the object */
enum { FACE_SLOW = 1, FACE_FAILED }; /* upvalues */

enum {
    FACE_MOST = 65536,         /* bytes that are received in this way */
    FACE_LONGEST = 0x7fffffff, /* bytes of a line; `size` of a call that receives one */
    FACE_HELD = ITEM_DELIMITER /* what a waiting call has in its stack besides: see face_begin */
};

/*
** new_method(slow, failed), for a luaL_Reg whose function pushes the method with this.
** [slow, failed] -> method
*/
int face_push_method(lua_State *L, lua_CFunction method);

/* The stream of the object at index 1, or NULL. The object refers to it. */
Stream *face_stream(lua_State *L);

/* [self, ...] -> the results of slow(self, ...) */
int face_call_slow(lua_State *L);

/* Calls failed for the object on top with the `results` (nil, message, code, partial) below it. */
int face_fail(lua_State *L, int results);

/* Whether the value at index 2 stands for a line, and whether for a number of bytes that are received here. */
bool face_is_line(lua_State *L);
bool face_is_size(lua_State *L);

/* [self, pattern, ...] -> [self, size, nil], for an item of face_is_line or face_is_size */
void face_set_size(lua_State *L, bool is_line);

/* [-1, +1] the line on top without any carriage returns; returns 1. */
int face_line(lua_State *L);

#endif
