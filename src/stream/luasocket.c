/*
** Owns receive and send of arsenal.socket's connected clients.
*/
#include "base/openers.h"

#include "event/run.h"
#include "stream/face.h"
#include "stream/stream_io.h"

/* --- receiving: an item and two nils --- */

static int luasocket_succeed(lua_State *L, bool is_line) {
    if (is_line) face_line(L);
    lua_pushnil(L);
    lua_pushnil(L);
    return 3;
}

/* [stream, size, nil, self, ..., results]: the item, or what `failed` returns */
static int luasocket_conclude(lua_State *L, int results, bool is_line) {
    if (!lua_isnil(L, -results)) return luasocket_succeed(L, is_line);
    lua_pushvalue(L, FACE_HELD);
    return face_fail(L, results);
}

static int luasocket_resume_size(lua_State *L, Task *task) {
    return luasocket_conclude(L, recv_resume(L, task), false);
}

static int luasocket_resume_line(lua_State *L, Task *task) {
    return luasocket_conclude(L, recv_resume(L, task), true);
}

static const Item luasocket_size_item = {.wait = {luasocket_resume_size, recv_forget,
                                                  recv_describe},
                                         .find = item_find_exact,
                                         .verb = "receive",
                                         .end = ITEM_ENDS_AT_SIZE};
static const Item luasocket_line_item = {.wait = {luasocket_resume_line, recv_forget,
                                                  recv_describe},
                                         .find = item_find_line,
                                         .verb = "receive",
                                         .end = ITEM_ENDS_AT_MARK};

/* client:receive([pattern [, prefix [, maxsize]]]) */
static int luasocket_receive(lua_State *L) {
    Stream *stream = face_stream(L);
    bool is_line = face_is_line(L), is_plain = lua_isnoneornil(L, 3) && lua_isnoneornil(L, 4);
    if (stream == NULL || stream->receiver != NULL || !is_plain || !(is_line || face_is_size(L)))
        return face_call_slow(L);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    const Item *item = is_line ? &luasocket_line_item : &luasocket_size_item;
    face_set_size(L, is_line);
    if (recv_buffered(L, stream, item)) return luasocket_succeed(L, is_line);
    lua_pushvalue(L, 1);
    lua_rawgeti(L, 1, FACE_STREAM);
    lua_replace(L, 1);
    return luasocket_conclude(L, recv_alone(L, stream, item), is_line);
}

static int luasocket_new_receive(lua_State *L) {
    return face_push_method(L, luasocket_receive);
}

/* --- sending: the index of the last byte, and two nils --- */

/*
** [self, data, ...] so many bytes of the message are gone: slow(self, data, nil, nil, written)
** sends the rest. Without memory for that call the message is truncated.
*/
static int luasocket_send_rest(lua_State *L, Stream *stream, size_t written) {
    if (stream_has_begun(stream, written)) stream->sending = STREAM_TORN;
    stream->torn_at = written < UINT32_MAX ? (uint32_t)written : UINT32_MAX;
    lua_settop(L, 4);
    lua_pushinteger(L, (lua_Integer)written);
    return face_call_slow(L);
}

/* Any other call: slow(self, data, i, j). */
static int luasocket_send_slowly(lua_State *L) {
    if (lua_gettop(L) > 4) lua_settop(L, 4);
    return face_call_slow(L);
}

/* client:send(data [, i [, j]]) */
static int luasocket_send(lua_State *L) {
    Stream *stream = face_stream(L);
    bool is_plain = lua_isnoneornil(L, 3) && lua_isnoneornil(L, 4);
    if (stream == NULL || !is_plain || lua_type(L, 2) != LUA_TSTRING || !stream_may_send(stream))
        return luasocket_send_slowly(L);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    size_t size;
    const char *data = lua_tolstring(L, 2, &size);
    uv_buf_t text = {.base = (char *)data, .len = size};
    if (size == 0) return luasocket_send_slowly(L);
    ptrdiff_t written = stream_write(stream, &text, 1, size);
    if (written == (ptrdiff_t)size) {
        lua_pushnumber(L, (lua_Number)written);
        lua_pushnil(L);
        lua_pushnil(L);
        return 3;
    }
    if (written >= 0 || transport_wants(written) || written == TRANSPORT_AGAIN)
        return luasocket_send_rest(L, stream, written > 0 ? (size_t)written : 0);
    int results = stream_fail(L, stream, "send", (int)written);
    lua_pushvalue(L, 1);
    return face_fail(L, results);
}

static int luasocket_new_send(lua_State *L) {
    return face_push_method(L, luasocket_send);
}

static const luaL_Reg luasocket_functions[] = {
    {"luasocket_receive", luasocket_new_receive},
    {"luasocket_send", luasocket_new_send},
    {NULL, NULL},
};

void luasocket_open(lua_State *L) {
    luaL_setfuncs(L, luasocket_functions, 0);
}
