/*
** Owns what other modules of arsenal may do with a stream's input and its
** descriptor, besides receiving.
*/
#include "base/error.h"
#include "base/openers.h"
#include "stream/stream.h"

/* stream_input_size(stream): bytes that have been read, and not yet received */
static int input_size(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)buffer_length(&stream_check(L, 1)->input));
    return 1;
}

/* stream_take_input(stream): these bytes, which leave the stream; "" while a task receives */
static int input_take(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    size_t size = stream->receiver == NULL ? buffer_length(&stream->input) : 0;
    lua_pushlstring(L, size > 0 ? buffer_data(&stream->input) : "", size);
    if (size > 0) buffer_drop(&stream->input, size);
    return 1;
}

/* stream_release(stream): closes the stream without its descriptor, which is the caller's then */
static int input_release_descriptor(lua_State *L) {
    Stream *stream = stream_check(L, 1);
    if (!stream->socket.handle.open) return stream_fail(L, stream, "release", ARSENAL_CLOSED);
    lua_pushinteger(L, stream->socket.poller.fd);
    stream->is_given = true;
    handle_close(&stream->socket.handle);
    return 1;
}

/* stream_make_resumable(stream): a send whose time is up may be continued by the next one. */
static int input_make_resumable(lua_State *L) {
    stream_check(L, 1)->is_resumable = true;
    return 0;
}

/* stream_users(stream): whether a task waits to receive, and whether one sends */
static int input_users(lua_State *L) {
    const Stream *stream = stream_check(L, 1);
    lua_pushboolean(L, stream->receiver != NULL);
    lua_pushboolean(L, stream->senders.sender != NULL);
    return 2;
}

static const luaL_Reg functions[] = {
    {"stream_input_size", input_size},
    {"stream_take_input", input_take},
    {"stream_release", input_release_descriptor},
    {"stream_make_resumable", input_make_resumable},
    {"stream_users", input_users},
    {NULL, NULL},
};

void input_open(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
