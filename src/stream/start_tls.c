/*
** Owns the change of a stream's transport: another transport takes over the
** descriptor, and makes it ready in a handshake. A handshake that fails closes
** the stream, because its bytes might be taken for protected ones.
*/
#include "stream/start_tls.h"

#include "base/error.h"
#include "event/outbox.h"
#include "event/run.h"
#include "stream/stream_io.h"

enum { START_TLS_SELF = 1, START_TLS_SESSION, START_TLS_DURATION = 2 };

/* registry: the session of each stream that has one, with weak keys */
static const char sessions_key;

/* --- installing a transport --- */

static int start_tls_fail(lua_State *L, const Stream *stream, int status, const char *reason) {
    return handle_fail_reason(L, &stream->socket.handle, "start_tls", status, reason);
}

static bool start_tls_in_use(const Stream *stream) {
    outbox_flush(stream->socket.handle.loop);
    return stream->receiver != NULL || stream->senders.sender != NULL;
}

/* Returns 0, or the number of results if the stream cannot change its transport. */
static int start_tls_refuse(lua_State *L, const Stream *stream) {
    if (!stream->socket.handle.open) return start_tls_fail(L, stream, ARSENAL_CLOSED, "closed");
    if (start_tls_in_use(stream))
        return start_tls_fail(L, stream, ARSENAL_BUSY, "a task is sending or receiving there");
    if (buffer_length(&stream->input) > 0)
        return start_tls_fail(L, stream, ARSENAL_TLS,
                              "unencrypted bytes are waiting to be received");
    if (stream->read_end != 0 || stream->sending != STREAM_SENDS)
        return start_tls_fail(L, stream, UV_EPIPE, "one of its directions has ended");
    return 0;
}

void start_tls_keep(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sessions_key);
    lua_insert(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void *start_tls_state(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sessions_key);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    void *state = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return state;
}

/*
** stream_upgrade(stream, session): the session's transport takes over. True, or
** nil, message, code, and the stream is unchanged.
*/
static int start_tls_upgrade(lua_State *L) {
    Stream *stream = stream_check(L, START_TLS_SELF);
    luaL_checktype(L, START_TLS_SESSION, LUA_TUSERDATA);
    luaL_argcheck(L, stream->transport != &transport_pipe, START_TLS_SELF,
                  "TLS needs both directions, and a pipe has one");
    luaL_argcheck(L, transport_is_plain(stream->transport), START_TLS_SELF, "it has TLS already");
    int refused = start_tls_refuse(L, stream);
    if (refused != 0) return refused;
    lua_pushvalue(L, START_TLS_SELF);
    lua_pushvalue(L, START_TLS_SESSION);
    start_tls_keep(L);
    TransportHead *head = lua_touserdata(L, START_TLS_SESSION);
    head->plain = stream->transport;
    stream->transport = head->transport;
    stream->state = head;
    handle_become(L, START_TLS_SELF, &stream_types[STREAM_TLS]);
    lua_pushboolean(L, true);
    return 1;
}

/* stream_session(stream): what stream_upgrade was called with; nil without a message for a plain stream. */
static int start_tls_session(lua_State *L) {
    const Stream *stream = stream_check(L, START_TLS_SELF);
    if (!stream->socket.handle.open) return stream_fail(L, stream, "tls_info", ARSENAL_CLOSED);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sessions_key);
    lua_pushvalue(L, START_TLS_SELF);
    lua_rawget(L, -2);
    return 1;
}

/* --- the handshake --- */

static int start_tls_resume(lua_State *L, Task *task);

static void start_tls_forget(Task *task) {
    handle_close(task->object);
}

static void start_tls_describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "shaking hands on");
}

static const WaitKind handshake_wait = {start_tls_resume, start_tls_forget, start_tls_describe};

static int start_tls_give_up(lua_State *L, Stream *stream, int status) {
    int results = stream_fail(L, stream, "handshake", status);
    handle_close(&stream->socket.handle);
    return results;
}

/* The timeout of the call was set at its start. */
static int start_tls_wait_for(lua_State *L, Stream *stream, Task *task, ptrdiff_t wants) {
    int status = stream_watch(stream, task, wants, FOREVER);
    if (status != 0) return start_tls_give_up(L, stream, status);
    return task_wait(L, task, &handshake_wait, stream);
}

static int start_tls_shake_hands(lua_State *L, Stream *stream, Task *task) {
    ptrdiff_t answer = stream_shake_hands(stream);
    if (transport_wants(answer)) return start_tls_wait_for(L, stream, task, answer);
    if (answer == TRANSPORT_AGAIN) return task_pause(L, task, &handshake_wait, stream);
    stream->receiver = NULL;
    send_queue_pass_turn(&stream->senders);
    if (answer < 0) return start_tls_give_up(L, stream, (int)answer);
    lua_pushboolean(L, answer != TRANSPORT_ASKS);
    return 1;
}

static int start_tls_resume(lua_State *L, Task *task) {
    Stream *stream = lua_touserdata(L, START_TLS_SELF);
    int status = stream->socket.handle.open ? task->status : ARSENAL_CLOSED;
    if (status != 0) return start_tls_give_up(L, stream, status);
    return start_tls_shake_hands(L, stream, task);
}

/*
** stream_handshake(stream, seconds) makes the stream ready: true, or false if
** the session asks for a decision first; then it is called again. A failure
** closes the stream.
*/
static int start_tls_handshake(lua_State *L) {
    Stream *stream = stream_check(L, START_TLS_SELF);
    uint64_t timeout = args_duration(L, START_TLS_DURATION);
    Task *task = task_enter(L, stream->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    if (!stream->socket.handle.open) return start_tls_give_up(L, stream, ARSENAL_CLOSED);
    if (start_tls_in_use(stream)) return stream_fail(L, stream, "handshake", ARSENAL_BUSY);
    task_set_timeout(task, timeout);
    stream->receiver = stream->senders.sender = task;
    return start_tls_shake_hands(L, stream, task);
}

static const luaL_Reg functions[] = {
    {"stream_upgrade", start_tls_upgrade},
    {"stream_session", start_tls_session},
    {"stream_handshake", start_tls_handshake},
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
