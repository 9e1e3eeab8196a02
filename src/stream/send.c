/*
** Owns sending: whole messages, one after another, straight to the kernel. A
** message cut off part-way ends the write side.
*/
#include "stream/stream.h"

#include "base/error.h"
#include "event/run.h"

enum { SELF = 1, FIRST };

enum { PARTS = 64 }; /* strings handed to the kernel at once */

/* --- turns: one message at a time --- */

void stream_pass_turn(Stream *stream) {
    stream->sender = NULL;
    Waiter *next;
    while (stream->sender == NULL && (next = wait_queue_first(&stream->senders)) != NULL) {
        if (waiter_wake(next, 0))
            stream->sender = next->task;
        else
            waiter_leave(next);
    }
}

void stream_close_senders(Stream *stream) {
    if (stream->sender != NULL) waiter_wake(&stream->sender->waiter, ARSENAL_CLOSED);
    wait_queue_dismiss(&stream->senders, ARSENAL_CLOSED);
    if (stream->sender != NULL && stream->sender->object == stream) stream->sender->object = NULL;
    stream->sender = NULL;
}

/* Whether a message that counts so many bytes can't be taken back. */
static bool is_begun(const Stream *stream, size_t sent) {
    const Transport *transport = stream->transport;
    return sent > 0 || (transport->holds != NULL && transport->holds(stream->state));
}

bool stream_is_mid_message(const Stream *stream) {
    return stream->sender != NULL && is_begun(stream, stream->sender->progress);
}

/* A message was cut off: nothing may follow it. The peer is told that it is over. */
static void cut_off(Stream *stream) {
    stream->write_ended = true;
    if (stream->socket.handle.open) stream->transport->cut(stream->state, stream->socket.poller.fd);
}

void stream_abandon_turn(Stream *stream, size_t sent) {
    if (is_begun(stream, sent)) {
        stream->torn = true;
        stream->torn_at = sent < UINT32_MAX ? (uint32_t)sent : UINT32_MAX;
        cut_off(stream);
    }
    stream_pass_turn(stream);
}

static void forget(Task *task) {
    Stream *stream = task->object;
    if (stream->sender == task) stream_abandon_turn(stream, task->progress);
}

static void describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "sending on");
}

/* --- the message --- */

/* Gathers what of the message is still to go, in at most PARTS pieces, and returns their number. */
static unsigned gather(lua_State *L, size_t skip, uv_buf_t *parts, size_t *size) {
    unsigned count = 0;
    int last = lua_gettop(L);
    *size = 0;
    for (int i = FIRST; i <= last && count < PARTS; i++) {
        size_t length;
        char *data = (char *)lua_tolstring(L, i, &length);
        if (skip >= length) {
            skip -= length;
            continue;
        }
        parts[count++] = uv_buf_init(data + skip, (unsigned)(length - skip));
        *size += length - skip;
        skip = 0;
    }
    return count;
}

/* nil, message, code, bytes that went out */
static int fail(lua_State *L, Stream *stream, size_t sent, int status) {
    stream_fail(L, stream, "send", status);
    lua_pushinteger(L, (lua_Integer)sent);
    return 4;
}

int stream_refuse_after_end(lua_State *L, Stream *stream) {
    if (!stream->torn) return fail(L, stream, 0, UV_EPIPE);
    handle_push_name(L, &stream->socket.handle);
    error_push_reason(L, UV_EPIPE,
                      lua_pushfstring(L, "send %s: an earlier message was cut off after %I bytes",
                                      lua_tostring(L, -1), (LUAI_UACINT)stream->torn_at));
    lua_pushinteger(L, 0);
    return 4;
}

/* The message ends here, whole or not, and the next one has its turn. */
static int end_message(lua_State *L, Stream *stream, size_t sent, int status) {
    if (status != 0 && is_begun(stream, sent)) cut_off(stream);
    stream_pass_turn(stream);
    if (status != 0) return fail(L, stream, sent, status);
    lua_pushinteger(L, (lua_Integer)sent);
    return 1;
}

static int go_on(lua_State *L);
static const WaitKind send_wait = {go_on, forget, describe};

/* Writes until all is gone. The running task has its turn. */
static int send_rest(lua_State *L, Stream *stream, Task *task) {
    uv_buf_t parts[PARTS];
    size_t size;
    unsigned count;
    while ((count = gather(L, task->progress, parts, &size)) > 0) {
        if (!(stream->socket.poller.ready & POLL_WRITE))
            return stream_wait(L, stream, task, &send_wait, TRANSPORT_WANTS_WRITE,
                               stream->socket.send_timeout);
        if (task_spent(stream->socket.handle.loop)) return task_pause(L, task, &send_wait, stream);
        ptrdiff_t written =
            stream->transport->write(stream->state, stream->socket.poller.fd, parts, count);
        if (written == TRANSPORT_WANTS_READ || written == TRANSPORT_WANTS_WRITE)
            return stream_wait(L, stream, task, &send_wait, written, stream->socket.send_timeout);
        if (written < 0) return end_message(L, stream, task->progress, (int)written);
        if ((size_t)written < size && stream->transport->short_is_empty)
            poller_exhausted(&stream->socket.poller, POLL_WRITE);
        task->progress += (size_t)written;
        stream->sent += (size_t)written;
        if ((size_t)written == size && count < PARTS) break;
    }
    return end_message(L, stream, task->progress, 0);
}

/* The task was woken: it has its turn, the descriptor takes more, or it is over. */
static int go_on(lua_State *L) {
    Stream *stream = lua_touserdata(L, SELF);
    Task *task = stream->socket.handle.loop->running;
    if (!stream->socket.handle.open) return fail(L, stream, task->progress, ARSENAL_CLOSED);
    if (task->status != 0 && stream->sender == task)
        return end_message(L, stream, task->progress, task->status);
    if (task->status != 0) return fail(L, stream, 0, task->status);
    if (stream->write_ended) {
        stream_pass_turn(stream);
        return stream_refuse_after_end(L, stream);
    }
    return send_rest(L, stream, task);
}

bool stream_must_queue(Stream *stream, Task *task) {
    if (stream->sender == NULL) {
        stream->sender = task;
        return false;
    }
    waiter_join(&task->waiter, &stream->senders, NULL);
    task_set_timeout(task, stream->socket.send_timeout);
    return true;
}

/* --- the methods --- */

static int refuse_part(lua_State *L, int argument, const char *where) {
    return luaL_argerror(L, argument,
                         lua_pushfstring(L, "%sstring or number expected, got %s", where,
                                         luaL_typename(L, -1)));
}

static void check_parts_in_table(lua_State *L) {
    if (lua_gettop(L) > FIRST) luaL_argerror(L, FIRST + 1, "a table must be the only argument");
    lua_Integer count = (lua_Integer)lua_rawlen(L, FIRST);
    luaL_checkstack(L, 2, NULL);
    for (lua_Integer i = 1; i <= count; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, FIRST, i);
        if (lua_isstring(L, -1)) continue;
        const char *where = lua_pushfstring(L, "index %I: ", (LUAI_UACINT)i);
        lua_insert(L, -2);
        refuse_part(L, FIRST, where);
    }
}

static void check_message(lua_State *L) {
    if (lua_istable(L, FIRST)) {
        check_parts_in_table(L);
        return;
    }
    for (int i = FIRST, last = lua_gettop(L); i <= last; i++) {
        if (lua_isstring(L, i)) continue;
        lua_pushvalue(L, i);
        refuse_part(L, i, "");
    }
}

/* [self, {parts}] -> [self, parts...] */
static void unpack_table(lua_State *L) {
    int count = (int)lua_rawlen(L, FIRST);
    luaL_checkstack(L, count + 1, "too many strings in one message");
    for (int i = 1; i <= count; i++)
        lua_rawgeti(L, FIRST, i);
    lua_remove(L, FIRST);
}

/*
** stream:send(...) strings and numbers, or one table of them, as one message:
** returns its size once the kernel has taken all of it. A failure's fourth
** value says how many bytes went out; if any, the write side is closed.
*/
static int send_message(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    check_message(L);
    Task *task = task_enter(L, stream->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    if (lua_istable(L, FIRST)) unpack_table(L);
    if (!stream->socket.handle.open) return fail(L, stream, 0, ARSENAL_CLOSED);
    if (stream_must_queue(stream, task)) return task_wait(L, task, &send_wait, stream);
    if (stream->write_ended) {
        stream_pass_turn(stream);
        return stream_refuse_after_end(L, stream);
    }
    return send_rest(L, stream, task);
}

/* --- ending our direction --- */

static int end_step(lua_State *L);

static void describe_end(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "shutting down");
}

static const WaitKind end_wait = {end_step, forget, describe_end};

static int end_now(lua_State *L, Stream *stream, Task *task) {
    ptrdiff_t status = 0;
    if (!stream->write_ended) {
        status = stream->transport->end(stream->state, stream->socket.poller.fd);
        if (status == TRANSPORT_WANTS_READ || status == TRANSPORT_WANTS_WRITE)
            return stream_wait(L, stream, task, &end_wait, status, stream->socket.send_timeout);
    }
    stream->write_ended = true;
    stream_pass_turn(stream);
    if (status != 0 && status != UV_ENOTCONN)
        return stream_fail(L, stream, "shutdown", (int)status);
    lua_pushboolean(L, true);
    return 1;
}

static int end_step(lua_State *L) {
    Stream *stream = lua_touserdata(L, SELF);
    Task *task = stream->socket.handle.loop->running;
    if (!stream->socket.handle.open) return stream_fail(L, stream, "shutdown", ARSENAL_CLOSED);
    if (task->status == 0) return end_now(L, stream, task);
    if (stream->sender == task) stream_pass_turn(stream);
    return stream_fail(L, stream, "shutdown", task->status);
}

/* stream:shutdown() ends our direction, after the sends before it; the peer reads end of stream. */
static int shutdown_method(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    Task *task = task_enter(L, stream->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    if (!stream->socket.handle.open) return stream_fail(L, stream, "shutdown", ARSENAL_CLOSED);
    if (stream_must_queue(stream, task)) return task_wait(L, task, &end_wait, stream);
    return end_now(L, stream, task);
}

const luaL_Reg send_methods[] = {
    {"send", send_message},
    {"shutdown", shutdown_method},
    {NULL, NULL},
};
