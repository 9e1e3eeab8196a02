/*
** Owns receive and send of arsenal.ngx's TCP sockets. A call that is cut off, such
** as by a cancellation, ends the connection: a guard, which is to be closed, sees to
** that while a call may wait.
*/
#include "base/openers.h"

#include "event/run.h"
#include "stream/face.h"
#include "stream/message.h"
#include "stream/stream_io.h"

enum { COSOCKET_GUARD = FACE_STREAM + 1 }; /* key of a socket: the guard of its receiving calls */
enum { COSOCKET_DEPTH = 8 };               /* of lists in a message that is sent here */

/* --- guards --- */

typedef struct CosocketGuard {
    const void *mark; /* &cosocket_key */
    bool waits;       /* a call may be waiting */
} CosocketGuard;

static const char cosocket_key; /* registry: the metatable of guards */

static CosocketGuard *cosocket_to_guard(lua_State *L, int index) {
    CosocketGuard *guard = lua_touserdata(L, index);
    bool is_one =
        guard != NULL && lua_rawlen(L, index) == sizeof *guard && guard->mark == &cosocket_key;
    return is_one ? guard : NULL;
}

/* __close(guard, error); the upvalue is on_interrupt's function */
static int cosocket_guard_close(lua_State *L) {
    CosocketGuard *guard = cosocket_to_guard(L, 1);
    if (guard == NULL || !guard->waits) return 0;
    guard->waits = false;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_getiuservalue(L, 1, 1);
    lua_call(L, 1, 0);
    return 0;
}

/* cosocket_guard(socket): the guard of the socket's receiving calls */
static int cosocket_guard(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    CosocketGuard *guard = lua_newuserdatauv(L, sizeof *guard, 1);
    *guard = (CosocketGuard){.mark = &cosocket_key};
    lua_insert(L, 1);
    lua_setiuservalue(L, 1, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &cosocket_key);
    lua_setmetatable(L, 1);
    return 1;
}

/* cosocket_on_interrupt(fn): fn(socket) is called for a call that does not return. */
static int cosocket_on_interrupt(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &cosocket_key);
    lua_insert(L, 1);
    lua_pushcclosure(L, cosocket_guard_close, 1);
    lua_setfield(L, 1, "__close");
    return 0;
}

/* --- receiving --- */

/* [stream, size, nil, guard, ..., results]: the item, or what `failed` returns */
static int cosocket_conclude(lua_State *L, int results, bool is_line) {
    CosocketGuard *guard = lua_touserdata(L, FACE_HELD);
    guard->waits = false;
    if (!lua_isnil(L, -results)) return is_line ? face_line(L) : 1;
    lua_getiuservalue(L, FACE_HELD, 1);
    return face_fail(L, results);
}

static int cosocket_resume_size(lua_State *L, Task *task) {
    return cosocket_conclude(L, recv_resume(L, task), false);
}

static int cosocket_resume_line(lua_State *L, Task *task) {
    return cosocket_conclude(L, recv_resume(L, task), true);
}

static const Item cosocket_size_item = {.wait = {cosocket_resume_size, recv_forget, recv_describe},
                                        .find = item_find_exact,
                                        .verb = "receive",
                                        .end = ITEM_ENDS_AT_SIZE};
static const Item cosocket_line_item = {.wait = {cosocket_resume_line, recv_forget, recv_describe},
                                        .find = item_find_line,
                                        .verb = "receive",
                                        .end = ITEM_ENDS_AT_MARK};

/* [self, size, nil] -> [stream, size, nil, guard] */
static void cosocket_hold(lua_State *L) {
    lua_rawgeti(L, 1, COSOCKET_GUARD);
    CosocketGuard *guard = cosocket_to_guard(L, FACE_HELD);
    if (guard == NULL) luaL_error(L, "receive: this is no TCP socket of ngx.socket");
    lua_rawgeti(L, 1, FACE_STREAM);
    lua_replace(L, 1);
    lua_toclose(L, FACE_HELD);
    guard->waits = true;
}

/* socket:receive([pattern]) */
static int cosocket_receive(lua_State *L) {
    Stream *stream = face_stream(L);
    bool is_line = face_is_line(L);
    if (stream == NULL || stream->receiver != NULL || !(is_line || face_is_size(L)))
        return face_call_slow(L);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    const Item *item = is_line ? &cosocket_line_item : &cosocket_size_item;
    face_set_size(L, is_line);
    if (recv_buffered(L, stream, item)) return is_line ? face_line(L) : 1;
    cosocket_hold(L);
    return cosocket_conclude(L, recv_alone(L, stream, item), is_line);
}

static int cosocket_new_receive(lua_State *L) {
    return face_push_method(L, cosocket_receive);
}

/* --- sending --- */

/*
** The message at index 2 as one text: a string itself, anything else in `joined`. False: it
** is not sent here.
*/
static bool cosocket_text(lua_State *L, char *joined, uv_buf_t *text) {
    if (lua_type(L, 2) == LUA_TSTRING) {
        size_t size;
        text->base = (char *)lua_tolstring(L, 2, &size);
        text->len = size;
    } else {
        ptrdiff_t size = message_join(L, 2, 2, COSOCKET_DEPTH, joined);
        text->base = joined;
        text->len = size < 0 ? 0 : (size_t)size;
    }
    return text->len > 0;
}

/* Leaves the rest of a message to slow(self, rest, written). Without memory for it the message is truncated. */
static int cosocket_send_rest(lua_State *L, Stream *stream, const uv_buf_t *text, size_t written) {
    if (stream_has_begun(stream, written)) stream->sending = STREAM_TORN;
    stream->torn_at = (uint32_t)written;
    lua_pushlstring(L, text->base + written, text->len - written);
    stream->sending = STREAM_SENDS;
    lua_replace(L, 2);
    lua_pushinteger(L, (lua_Integer)written);
    return face_call_slow(L);
}

/* socket:send(message) */
static int cosocket_send(lua_State *L) {
    char joined[MESSAGE_SMALL];
    uv_buf_t text;
    lua_settop(L, 2);
    Stream *stream = face_stream(L);
    if (stream == NULL || !stream_may_send(stream) || !cosocket_text(L, joined, &text))
        return face_call_slow(L);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    ptrdiff_t written = stream_write(stream, &text, 1, text.len);
    if (written == (ptrdiff_t)text.len) {
        lua_pushinteger(L, (lua_Integer)text.len);
        return 1;
    }
    if (written >= 0 || transport_wants(written) || written == TRANSPORT_AGAIN)
        return cosocket_send_rest(L, stream, &text, written > 0 ? (size_t)written : 0);
    int results = stream_fail(L, stream, "send", (int)written);
    lua_pushvalue(L, 1);
    return face_fail(L, results);
}

static int cosocket_new_send(lua_State *L) {
    return face_push_method(L, cosocket_send);
}

static const luaL_Reg cosocket_functions[] = {
    {"cosocket_guard", cosocket_guard},
    {"cosocket_on_interrupt", cosocket_on_interrupt},
    {"cosocket_receive", cosocket_new_receive},
    {"cosocket_send", cosocket_new_send},
    {NULL, NULL},
};

void cosocket_open(lua_State *L) {
    luaL_setfuncs(L, cosocket_functions, 0);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &cosocket_key);
}
