/*
** Owns sending: whole messages, one after another, straight to the kernel. A
** message that is cut off ends the sending direction.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/outbox.h"
#include "event/run.h"
#include "stream/message.h"
#include "stream/stream_io.h"

enum { SEND_SELF = 1, SEND_FIRST };

enum { SEND_PARTS = 64 }; /* strings passed to the kernel at once */

static void send_forget(Task *task) {
    Stream *stream = task->object;
    if (stream->senders.sender == task) stream_abandon_turn(stream, task->progress);
}

static void send_describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "sending on");
}

/* --- the message --- */

/* The first part that is not wholly sent yet, and the bytes of those before it. */
typedef struct SendPlace {
    int index;
    size_t before;
} SendPlace;

/* Gathers what is left of a message, in at most SEND_PARTS pieces, and returns their number. */
static unsigned send_gather(lua_State *L, SendPlace *place, size_t sent, uv_buf_t *parts,
                            size_t *size) {
    unsigned count = 0;
    int last = lua_gettop(L);
    *size = 0;
    for (int i = place->index; i <= last && count < SEND_PARTS; i++) {
        size_t length, skip = count == 0 ? sent - place->before : 0;
        char *data = (char *)lua_tolstring(L, i, &length);
        if (skip < length) {
            parts[count++] = (uv_buf_t){.base = data + skip, .len = length - skip};
            *size += length - skip;
        } else if (count == 0) {
            *place = (SendPlace){.index = i + 1, .before = place->before + length};
        }
    }
    return count;
}

/* nil, message, code, bytes that went out */
static int send_fail(lua_State *L, const Stream *stream, size_t sent, int status) {
    stream_fail(L, stream, "send", status);
    lua_pushinteger(L, (lua_Integer)sent);
    return 4;
}

/* The message ends here, complete or not, and the next one has its turn. */
static int send_end_message(lua_State *L, Stream *stream, size_t sent, int status) {
    bool may_continue = status == ARSENAL_TIMEOUT && stream->is_resumable;
    if (status != 0 && !may_continue && stream_has_begun(stream, sent)) stream_cut(stream);
    send_queue_pass_turn(&stream->senders);
    if (status != 0) return send_fail(L, stream, sent, status);
    lua_pushinteger(L, (lua_Integer)sent);
    return 1;
}

static int send_resume(lua_State *L, Task *task);
static const WaitKind send_wait = {send_resume, send_forget, send_describe};

static int send_wait_for(lua_State *L, Stream *stream, Task *task, ptrdiff_t wants) {
    int status = stream_watch(stream, task, wants, stream->socket.send_timeout);
    if (status != 0) return send_end_message(L, stream, task->progress, status);
    return task_wait(L, task, &send_wait, stream);
}

/* --- through the outbox --- */

static void send_letter_forget(Task *task) {
    outbox_take_back(task);
    send_forget(task);
}

/* All of the letter was sent, and its turn is over; or the wait has failed. */
static int send_letter_resume(lua_State *L, Task *task) {
    if (task->status != 0) return send_resume(L, task);
    lua_pushinteger(L, (lua_Integer)task->progress);
    return 1;
}

static const WaitKind letter_wait = {send_letter_resume, send_letter_forget, send_describe};

/* If bytes are left, the task goes on like any other that was waiting to send them. */
static void send_letter_sent(Task *task, size_t size, ptrdiff_t result) {
    Stream *stream = task->object;
    ptrdiff_t written =
        stream_written(stream, size, result == UV_EAGAIN ? TRANSPORT_WANTS_WRITE : result);
    if (written > 0) task->progress = (size_t)written;
    if (written != (ptrdiff_t)size) task->kind = &send_wait;
    waiter_wake(&task->waiter, written >= 0 || transport_wants(written) ? 0 : (int)written);
    if (written == (ptrdiff_t)size) send_queue_pass_turn(&stream->senders);
}

/* Makes a letter of a message that is one short string, if the outbox takes it: task_wait comes next. */
static inline bool send_post(lua_State *L, const Stream *stream, Task *task) {
    size_t size;
    if (!transport_is_socket(stream->transport) || !(stream->socket.poller.ready & POLL_WRITE))
        return false;
    const char *data = lua_tolstring(L, SEND_FIRST, &size);
    return size > 0 && size <= OUTBOX_LARGEST && !task->scopes.innermost->doomed &&
           outbox_post(task, stream->socket.poller.fd, data, size, send_letter_sent);
}

/* Writes until all of the message is gone. The task has its turn. */
static int send_rest(lua_State *L, Stream *stream, Task *task) {
    SendPlace place = {.index = SEND_FIRST, .before = 0};
    uv_buf_t parts[SEND_PARTS];
    size_t size;
    unsigned count;
    while ((count = send_gather(L, &place, task->progress, parts, &size)) > 0) {
        if (task_spent(stream->socket.handle.loop)) return task_pause(L, task, &send_wait, stream);
        ptrdiff_t written = stream_write(stream, parts, count, size);
        if (transport_wants(written)) return send_wait_for(L, stream, task, written);
        if (written == TRANSPORT_AGAIN) return task_pause(L, task, &send_wait, stream);
        if (written < 0) return send_end_message(L, stream, task->progress, (int)written);
        task->progress += (size_t)written;
        if ((size_t)written == size && count < SEND_PARTS) break;
    }
    return send_end_message(L, stream, task->progress, 0);
}

/* The task has its turn, and nothing of its message is sent yet or a part of it. */
static inline int send_on_turn(lua_State *L, Stream *stream, Task *task) {
    if (stream->sending != STREAM_SENDS) {
        send_queue_pass_turn(&stream->senders);
        return stream_refuse_sender(L, stream);
    }
    bool is_new = task->progress == 0 && lua_gettop(L) == SEND_FIRST;
    if (is_new && send_post(L, stream, task)) return task_wait(L, task, &letter_wait, stream);
    return send_rest(L, stream, task);
}

/* The task was woken: it has its turn, the descriptor is writable, the stream was closed, or time is up. */
static int send_resume(lua_State *L, Task *task) {
    Stream *stream = lua_touserdata(L, SEND_SELF);
    if (!stream->socket.handle.open) return send_fail(L, stream, task->progress, ARSENAL_CLOSED);
    if (task->status == 0) return send_on_turn(L, stream, task);
    if (stream->senders.sender == task)
        return send_end_message(L, stream, task->progress, task->status);
    return send_fail(L, stream, 0, task->status);
}

/* --- the methods --- */

static int send_refuse_part(lua_State *L, int argument, const char *where) {
    return luaL_argerror(L, argument,
                         lua_pushfstring(L, "%sstring or number expected, got %s", where,
                                         luaL_typename(L, -1)));
}

static void send_check_table(lua_State *L) {
    if (lua_gettop(L) > SEND_FIRST)
        luaL_argerror(L, SEND_FIRST + 1, "a table must be the only argument");
    lua_Integer count = (lua_Integer)lua_rawlen(L, SEND_FIRST);
    luaL_checkstack(L, 2, NULL);
    for (lua_Integer i = 1; i <= count; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, SEND_FIRST, i);
        if (lua_isstring(L, -1)) continue;
        const char *where = lua_pushfstring(L, "index %I: ", (LUAI_UACINT)i);
        lua_insert(L, -2);
        send_refuse_part(L, SEND_FIRST, where);
    }
}

static void send_check_message(lua_State *L) {
    if (lua_istable(L, SEND_FIRST)) {
        send_check_table(L);
        return;
    }
    for (int i = SEND_FIRST, last = lua_gettop(L); i <= last; i++) {
        if (lua_isstring(L, i)) continue;
        lua_pushvalue(L, i);
        send_refuse_part(L, i, "");
    }
}

/* [self, {parts}] -> [self, parts...] */
static void send_unpack_table(lua_State *L) {
    int count = (int)lua_rawlen(L, SEND_FIRST);
    luaL_checkstack(L, count + LUA_MINSTACK, "too many strings in one message");
    for (int i = 1; i <= count; i++)
        lua_rawgeti(L, SEND_FIRST, i);
    lua_remove(L, SEND_FIRST);
}

/* [self, parts...] the call, after its checks */
static int send_begin(lua_State *L, Stream *stream, Task *task) {
    if (!stream->socket.handle.open) return send_fail(L, stream, 0, ARSENAL_CLOSED);
    if (!send_queue_take_turn(&stream->senders, task, stream->socket.send_timeout))
        return task_wait(L, task, &send_wait, stream);
    return send_on_turn(L, stream, task);
}

/* --- small messages of several parts: joined, and mostly gone with one write --- */

/* Returns the size of the message in `joined`; 0 if it is not joined. */
static size_t send_join(lua_State *L, char *joined) {
    int last = lua_gettop(L);
    bool is_list = last == SEND_FIRST && lua_istable(L, SEND_FIRST);
    if (!is_list && last <= SEND_FIRST) return 0;
    ptrdiff_t size = message_join(L, SEND_FIRST, last, is_list, joined);
    return size > 0 ? (size_t)size : 0;
}

/*
** Makes the joined message, of which `sent` bytes are gone, the only argument.
** Without memory for that it is truncated.
*/
static void send_keep(lua_State *L, Stream *stream, const char *joined, size_t size, size_t sent) {
    uint8_t sending = stream->sending;
    lua_settop(L, SEND_SELF);
    stream->torn_at = (uint32_t)sent;
    if (stream_has_begun(stream, sent)) stream->sending = STREAM_TORN;
    lua_pushlstring(L, joined, size);
    stream->sending = sending;
}

/* No other task sends. */
static int send_joined(lua_State *L, Stream *stream, Task *task, char *joined, size_t size) {
    const uv_buf_t part = {.base = joined, .len = size};
    bool is_spent = task_spent(stream->socket.handle.loop);
    ptrdiff_t written = is_spent ? TRANSPORT_AGAIN : stream_write(stream, &part, 1, size);
    if (written == (ptrdiff_t)size) {
        lua_pushinteger(L, (lua_Integer)size);
        return 1;
    }
    bool has_failed = written < 0 && !transport_wants(written) && written != TRANSPORT_AGAIN;
    if (written > 0) task->progress = (size_t)written;
    if (!has_failed) send_keep(L, stream, joined, size, task->progress);
    send_queue_take_turn(&stream->senders, task, FOREVER);
    if (has_failed) return send_end_message(L, stream, 0, (int)written);
    if (written == TRANSPORT_AGAIN) return task_pause(L, task, &send_wait, stream);
    return send_rest(L, stream, task);
}

/* [self, parts...] or [self, {parts}] */
static int send_parts(lua_State *L, Stream *stream) {
    char joined[MESSAGE_SMALL];
    size_t size = send_join(L, joined);
    if (size == 0) send_check_message(L);
    Task *task = task_enter(L, stream->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    if (size > 0 && stream_may_send(stream)) return send_joined(L, stream, task, joined, size);
    if (lua_istable(L, SEND_FIRST)) send_unpack_table(L);
    return send_begin(L, stream, task);
}

/*
** stream:send(...) strings and numbers, or one table of them, as one message:
** returns its size once the kernel has taken all of it. A failure's fourth
** value is the number of bytes that went out; if there are any, the sending
** direction has ended.
*/
static int send_method(lua_State *L) {
    Stream *stream = stream_check(L, SEND_SELF);
    if (lua_gettop(L) != SEND_FIRST || lua_type(L, SEND_FIRST) != LUA_TSTRING)
        return send_parts(L, stream);
    Task *task = task_enter(L, stream->socket.handle.loop);
    return task == NULL ? run_outside(L) : send_begin(L, stream, task);
}

/*
** stream_send_now(stream, data [, sent]) the same with one string, which other tasks
** cannot get ahead of: for the rest of a message that was written in part. `sent`
** bytes of the data are part of the message and gone.
*/
static int send_now(lua_State *L) {
    Stream *stream = stream_check(L, SEND_SELF);
    luaL_checktype(L, SEND_FIRST, LUA_TSTRING);
    size_t sent = (size_t)luaL_optinteger(L, SEND_FIRST + 1, 0);
    Task *task = task_enter_now(L, stream->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    lua_settop(L, SEND_FIRST);
    if (sent > 0 && stream->sending == STREAM_TORN) stream->sending = STREAM_SENDS;
    task->progress = sent;
    return send_begin(L, stream, task);
}

/* --- ending the sending direction --- */

static int send_shutdown_resume(lua_State *L, Task *task);

static void send_shutdown_describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "shutting down");
}

static const WaitKind shutdown_wait = {send_shutdown_resume, send_forget, send_shutdown_describe};

/* The task's turn ends. */
static int send_shutdown_done(lua_State *L, Stream *stream, int status) {
    send_queue_pass_turn(&stream->senders);
    if (status != 0 && status != UV_ENOTCONN) return stream_fail(L, stream, "shutdown", status);
    lua_pushboolean(L, true);
    return 1;
}

static int send_shutdown_wait_for(lua_State *L, Stream *stream, Task *task, ptrdiff_t wants) {
    int status = stream_watch(stream, task, wants, stream->socket.send_timeout);
    if (status != 0) return send_shutdown_done(L, stream, status);
    return task_wait(L, task, &shutdown_wait, stream);
}

static int send_shutdown_on_turn(lua_State *L, Stream *stream, Task *task) {
    if (stream->sending != STREAM_SENDS) return send_shutdown_done(L, stream, 0);
    ptrdiff_t status = stream_end(stream);
    if (transport_wants(status)) return send_shutdown_wait_for(L, stream, task, status);
    if (status == TRANSPORT_AGAIN) return task_pause(L, task, &shutdown_wait, stream);
    stream->sending = STREAM_SENT_END;
    return send_shutdown_done(L, stream, (int)status);
}

static int send_shutdown_resume(lua_State *L, Task *task) {
    Stream *stream = lua_touserdata(L, SEND_SELF);
    if (!stream->socket.handle.open) return stream_fail(L, stream, "shutdown", ARSENAL_CLOSED);
    if (task->status == 0) return send_shutdown_on_turn(L, stream, task);
    if (stream->senders.sender == task) return send_shutdown_done(L, stream, task->status);
    return stream_fail(L, stream, "shutdown", task->status);
}

/*
** stream:shutdown() ends the sending direction, after the messages before it; the peer
** reads the end of the stream.
*/
static int send_shutdown_method(lua_State *L) {
    Stream *stream = stream_check(L, SEND_SELF);
    Task *task = task_enter(L, stream->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    if (!stream->socket.handle.open) return stream_fail(L, stream, "shutdown", ARSENAL_CLOSED);
    if (!send_queue_take_turn(&stream->senders, task, stream->socket.send_timeout))
        return task_wait(L, task, &shutdown_wait, stream);
    return send_shutdown_on_turn(L, stream, task);
}

static const luaL_Reg methods[] = {
    {"send", send_method},
    {"shutdown", send_shutdown_method},
    {NULL, NULL},
};

void send_open(lua_State *L) {
    lua_getfield(L, -1, "stream_methods");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
    lua_pushcfunction(L, send_now);
    lua_setfield(L, -2, "stream_send_now");
}
