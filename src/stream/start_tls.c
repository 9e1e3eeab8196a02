/*
** Owns the change of a stream's transport: another one takes over the
** descriptor, and makes it ready in a handshake. Whoever fails at that closes
** the stream: what came over it could not be told from what is protected.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "stream/stream.h"

enum { SELF = 1, SESSION, DURATION = 2 };

static const char
    sessions_key; /* registry: what was given to stream_upgrade, by stream, weak keys */

/* --- installing a transport --- */

static int fail_upgrade(lua_State *L, const Stream *stream, int status, const char *reason) {
    handle_push_name(L, &stream->socket.handle);
    lua_pushfstring(L, "start_tls %s: %s", lua_tostring(L, -1), reason);
    return error_push_reason(L, status, lua_tostring(L, -1));
}

/* Returns 0, or the results that refuse it. */
static int refuse(lua_State *L, const Stream *stream) {
    if (!stream->socket.handle.open) return fail_upgrade(L, stream, ARSENAL_CLOSED, "closed");
    if (stream->receiver != NULL || stream->sender != NULL)
        return fail_upgrade(L, stream, ARSENAL_BUSY, "a task is sending or receiving there");
    if (buffer_length(&stream->input) > 0)
        return fail_upgrade(L, stream, ARSENAL_TLS, "bytes came in before it, unprotected");
    if (stream->read_end != 0 || stream->write_ended)
        return fail_upgrade(L, stream, UV_EPIPE, "one of its directions has ended");
    return 0;
}

/*
** stream_upgrade(stream, session): the session's transport takes over. True, or
** nil, message, code, and the stream is as it was.
*/
static int upgrade(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    luaL_checktype(L, SESSION, LUA_TUSERDATA);
    luaL_argcheck(L, stream->transport == &transport_plain, SELF, "it has TLS already");
    int refused = refuse(L, stream);
    if (refused != 0) return refused;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sessions_key);
    lua_pushvalue(L, SELF);
    lua_pushvalue(L, SESSION);
    lua_rawset(L, -3);
    TransportHead *head = lua_touserdata(L, SESSION);
    head->plain = stream->transport;
    stream->transport = head->transport;
    stream->state = head;
    handle_become(L, SELF, &stream_types[STREAM_TLS]);
    lua_pushboolean(L, true);
    return 1;
}

/* stream_session(stream): what was given to stream_upgrade; nil alone for a plain stream. */
static int session(lua_State *L) {
    const Stream *stream = stream_check(L, SELF);
    if (!stream->socket.handle.open) return stream_fail(L, stream, "tls_info", ARSENAL_CLOSED);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sessions_key);
    lua_pushvalue(L, SELF);
    lua_rawget(L, -2);
    return 1;
}

/* --- the handshake --- */

static int go_on(lua_State *L);

static void forget(Task *task) {
    handle_close(task->object);
}

static void describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "shaking hands on");
}

static const WaitKind handshake_wait = {go_on, forget, describe};

static int fail(lua_State *L, Stream *stream, int status) {
    int results = stream_fail(L, stream, "handshake", status);
    handle_close(&stream->socket.handle);
    return results;
}

static int proceed(lua_State *L, Stream *stream, Task *task) {
    const Transport *transport = stream->transport;
    ptrdiff_t answer = 0;
    if (transport->handshake != NULL)
        answer = transport->handshake(stream->state, stream->socket.poller.fd);
    if (answer == TRANSPORT_WANTS_READ || answer == TRANSPORT_WANTS_WRITE)
        return stream_wait(L, stream, task, &handshake_wait, answer, FOREVER);
    stream->receiver = NULL;
    stream_pass_turn(stream);
    if (answer < 0) return fail(L, stream, (int)answer);
    lua_pushboolean(L, answer != TRANSPORT_ASKS);
    return 1;
}

static int go_on(lua_State *L) {
    Stream *stream = lua_touserdata(L, SELF);
    Task *task = stream->socket.handle.loop->running;
    int status = stream->socket.handle.open ? task->status : ARSENAL_CLOSED;
    return status == 0 ? proceed(L, stream, task) : fail(L, stream, status);
}

/*
** stream_handshake(stream, seconds) makes the stream ready: true, or false
** where the session has a question first, and is to be called again. A failure
** closes the stream.
*/
static int handshake(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    uint64_t limit = args_duration(L, DURATION);
    Task *task = task_enter(L, stream->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    if (!stream->socket.handle.open) return fail(L, stream, ARSENAL_CLOSED);
    if (stream->receiver != NULL || stream->sender != NULL)
        return stream_fail(L, stream, "handshake", ARSENAL_BUSY);
    task_set_timeout(task, limit);
    stream->receiver = stream->sender = task;
    return proceed(L, stream, task);
}

static const luaL_Reg functions[] = {
    {"stream_upgrade", upgrade},
    {"stream_session", session},
    {"stream_handshake", handshake},
    {NULL, NULL},
};

void start_tls_open(lua_State *L) {
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sessions_key);
    luaL_setfuncs(L, functions, 0);
}
