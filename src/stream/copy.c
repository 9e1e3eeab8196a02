/*
** Owns copying: bytes from one stream to another, over any transports, that
** never become Lua strings. What was read and not sent stays in the stream that
** it came from, so that a copy that fails or is cancelled loses nothing.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "stream/stream_io.h"
#include "system/descriptor.h"

/* The stack of the call; the Copy takes the place of the options. */
enum { COPY_FROM = 1, COPY_TO, COPY_OPTIONS, COPY_STATE = COPY_OPTIONS };

enum { COPY_LITTLE = 8 * 1024 }; /* fewer bytes at once cost less through memory than spliced */

typedef enum CopyWay {
    COPY_ONLY_MEMORY, /* bytes cannot be spliced */
    COPY_MEMORY,      /* the next read goes through memory */
    COPY_SPLICE       /* the next read goes through the splice */
} CopyWay;

typedef struct Copy {
    Stream *from, *to; /* on the stack of the call */
    Stream *awaited;   /* the one of them that the task waits for */
    Task *task;        /* the task while it waits, otherwise NULL */
    uint64_t moved, left;
    CopyWay way;
    Splice splice;
} Copy;

static const char copy_name[] = "arsenal.copy";

/* --- how a copy ends --- */

/* What the splice holds goes back to the stream that it came from. */
static void copy_put_back(Copy *copy) {
    Stream *from = copy->from;
    size_t held = copy->splice.held;
    if (held == 0 || !from->socket.handle.open) return;
    char *room = buffer_reserve(&from->input, held);
    if (room != NULL)
        buffer_added(&from->input, splice_take(&copy->splice, room));
    else
        from->read_end = UV_ENOMEM; /* bytes are missing from here on */
}

static void copy_release(Copy *copy, Task *task) {
    copy->task = NULL;
    copy_put_back(copy);
    splice_close(&copy->splice);
    if (copy->from->receiver == task) copy->from->receiver = NULL;
    if (copy->to->senders.sender == task)
        stream_abandon_turn(copy->to, 0); /* the bytes of earlier writes are no part of a message */
}

static int copy_done(lua_State *L, Copy *copy, Task *task) {
    copy_release(copy, task);
    lua_pushinteger(L, (lua_Integer)copy->moved);
    return 1;
}

/* [-0, +2] completes a failure, nil, message, code, by the bytes moved and the stream that failed. */
static int copy_end_failure(lua_State *L, const Copy *copy, const Stream *stream) {
    lua_pushinteger(L, (lua_Integer)copy->moved);
    lua_pushvalue(L, stream == copy->to ? COPY_TO : COPY_FROM);
    return 5;
}

static int copy_fail(lua_State *L, Copy *copy, Task *task, const Stream *stream, int status) {
    copy_release(copy, task);
    stream_fail(L, stream, stream == copy->to ? "copy to" : "copy from", status);
    return copy_end_failure(L, copy, stream);
}

static int copy_refuse_receiver(lua_State *L, const Copy *copy) {
    stream_refuse_receiver(L, copy->from, "copy");
    return copy_end_failure(L, copy, copy->from);
}

static int copy_refuse_sender(lua_State *L, Copy *copy, Task *task) {
    copy_release(copy, task);
    stream_refuse_sender(L, copy->to);
    lua_pop(L, 1); /* the bytes that a send has sent */
    return copy_end_failure(L, copy, copy->to);
}

/* --- waiting --- */

static int copy_resume(lua_State *L, Task *task);

static void copy_forget(Task *task) {
    copy_release(task->object, task);
}

static void copy_describe(lua_State *L, Task *task) {
    const Copy *copy = task->object;
    handle_push_name(L, &copy->from->socket.handle);
    handle_push_name(L, &copy->to->socket.handle);
    lua_pushfstring(L, "copying from %s to %s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static const WaitKind copy_wait = {copy_resume, copy_forget, copy_describe};

static void copy_hold(Copy *copy, Task *task) {
    copy->from->receiver = task;
    copy->task = task;
}

static int copy_pause(lua_State *L, Copy *copy, Task *task) {
    copy_hold(copy, task);
    return task_pause(L, task, &copy_wait, copy);
}

/* Each wait has the whole of the stream's timeout: a copy may take long, but must not stand still. */
static int copy_wait_for(lua_State *L, Copy *copy, Task *task, Stream *stream, ptrdiff_t wants) {
    const SocketHandle *socket = &stream->socket;
    task_clear_timeout(task);
    int status = stream_watch(stream, task, wants,
                              stream == copy->to ? socket->send_timeout : socket->recv_timeout);
    if (status != 0) return copy_fail(L, copy, task, stream, status);
    copy_hold(copy, task);
    copy->awaited = stream;
    return task_wait(L, task, &copy_wait, copy);
}

/* --- moving through memory: each step returns what stream_read or stream_write does --- */

static size_t copy_at_most(const Copy *copy, size_t size) {
    return copy->left < size ? (size_t)copy->left : size;
}

static ptrdiff_t copy_count(Copy *copy, ptrdiff_t written) {
    if (written > 0) {
        copy->moved += (size_t)written;
        copy->left -= (size_t)written;
    }
    return written;
}

static ptrdiff_t copy_write(Copy *copy, const char *data, size_t size) {
    size = copy_at_most(copy, size);
    uv_buf_t part = {.base = (char *)data, .len = size};
    return copy_count(copy, stream_write(copy->to, &part, 1, size));
}

/* Writes what was read and not sent before. */
static ptrdiff_t copy_write_input(Copy *copy) {
    Buffer *input = &copy->from->input;
    ptrdiff_t written = copy_write(copy, buffer_data(input), buffer_length(input));
    if (written > 0) buffer_drop(input, (size_t)written);
    return written;
}

/* Writes the `size` bytes of the scratch buffer once, and keeps the rest as input. */
static ptrdiff_t copy_write_scratch(Copy *copy, size_t size) {
    Stream *from = copy->from;
    const char *data = from->socket.handle.loop->scratch;
    ptrdiff_t written = copy_write(copy, data, size);
    size_t gone = written > 0 ? (size_t)written : 0;
    if (buffer_append(&from->input, data + gone, size - gone)) return written;
    from->read_end = UV_ENOMEM;
    return 0;
}

/* Reads into the scratch buffer. A full one shows that there is much: the rest may be spliced. */
static ptrdiff_t copy_read(Copy *copy) {
    Stream *from = copy->from;
    size_t size = copy_at_most(copy, READ_SIZE);
    ptrdiff_t count = stream_read(from, from->socket.handle.loop->scratch, size);
    if (copy->way != COPY_ONLY_MEMORY) copy->way = count == READ_SIZE ? COPY_SPLICE : COPY_MEMORY;
    return count;
}

/* --- moving through the kernel, for much data --- */

static ptrdiff_t copy_write_splice(Copy *copy) {
    return copy_count(copy, stream_write_splice(copy->to, &copy->splice));
}

static ptrdiff_t copy_read_splice(Copy *copy) {
    size_t size = copy_at_most(copy, SPLICE_SIZE);
    ptrdiff_t count = stream_read_splice(copy->from, &copy->splice, size);
    bool may_be_urgent = count == TRANSPORT_WANTS_READ && !POLLER_SEES_ALL;
    if (may_be_urgent || (count >= 0 && count < COPY_LITTLE)) copy->way = COPY_MEMORY;
    return count;
}

/* A socket that was given to a child as its input or output may block in a splice. */
static bool copy_open_splice(Copy *copy) {
    return descriptor_blocks(copy->from->socket.poller.fd) == false &&
           descriptor_blocks(copy->to->socket.poller.fd) == false &&
           splice_open(&copy->splice) == 0;
}

/* Urgent data stops each splice, and is passed by a read. */
static bool copy_can_splice(Copy *copy) {
    if (copy->from->socket.poller.ready & POLL_URGENT) return false;
    if (copy->way == COPY_SPLICE && copy->splice.out < 0 && !copy_open_splice(copy))
        copy->way = COPY_ONLY_MEMORY;
    return copy->way == COPY_SPLICE;
}

/* --- the copy --- */

/* Each step returns 0 to go on with the next, or the number of the call's results. */

static int copy_step_write(lua_State *L, Copy *copy, Task *task, ptrdiff_t written) {
    if (transport_wants(written)) return copy_wait_for(L, copy, task, copy->to, written);
    if (written == TRANSPORT_AGAIN) return copy_pause(L, copy, task);
    return written < 0 ? copy_fail(L, copy, task, copy->to, (int)written) : 0;
}

static int copy_step_read(lua_State *L, Copy *copy, Task *task) {
    bool spliced = copy_can_splice(copy);
    ptrdiff_t count = spliced ? copy_read_splice(copy) : copy_read(copy);
    if (transport_wants(count)) return copy_wait_for(L, copy, task, copy->from, count);
    if (count == TRANSPORT_AGAIN) return copy_pause(L, copy, task);
    if (count == 0 || spliced) return 0;
    return copy_step_write(L, copy, task, copy_write_scratch(copy, (size_t)count));
}

static int copy_step(lua_State *L, Copy *copy, Task *task) {
    const Stream *from = copy->from;
    bool has_input = buffer_length(&from->input) > 0, has_spliced = copy->splice.held > 0;
    if (copy->left == 0) return copy_done(L, copy, task);
    if (!has_input && !has_spliced && from->read_end == 1) return copy_done(L, copy, task);
    if (!has_input && !has_spliced && from->read_end != 0)
        return copy_fail(L, copy, task, from, from->read_end);
    if (task_spent(from->socket.handle.loop)) return copy_pause(L, copy, task);
    if (has_input) return copy_step_write(L, copy, task, copy_write_input(copy));
    if (has_spliced) return copy_step_write(L, copy, task, copy_write_splice(copy));
    return copy_step_read(L, copy, task);
}

/* The task has its turn to send. */
static int copy_on_turn(lua_State *L, Copy *copy, Task *task) {
    int results = 0;
    if (copy->to->sending != STREAM_SENDS) return copy_refuse_sender(L, copy, task);
    while (results == 0)
        results = copy_step(L, copy, task);
    return results;
}

/* The task was woken: it has its turn to send, a stream is ready or was closed, or its time is up. */
static int copy_resume(lua_State *L, Task *task) {
    Copy *copy = lua_touserdata(L, COPY_STATE);
    Stream *from = copy->from, *to = copy->to;
    from->receiver = NULL;
    copy->task = NULL;
    if (!from->socket.handle.open) return copy_fail(L, copy, task, from, ARSENAL_CLOSED);
    if (!to->socket.handle.open) return copy_fail(L, copy, task, to, ARSENAL_CLOSED);
    if (task->status != 0) return copy_fail(L, copy, task, copy->awaited, task->status);
    return copy_on_turn(L, copy, task);
}

/* --- the call --- */

static Copy *copy_new(lua_State *L, Stream *from, Stream *to) {
    bool is_plain = transport_is_plain(from->transport) && transport_is_plain(to->transport);
    Copy *copy = lua_newuserdatauv(L, sizeof *copy, 0);
    *copy = (Copy){.from = from,
                   .to = to,
                   .awaited = to,
                   .left = (uint64_t)args_integer_option(L, COPY_OPTIONS, "max", 0, LUA_MAXINTEGER,
                                                         LUA_MAXINTEGER),
                   .way = is_plain ? COPY_MEMORY : COPY_ONLY_MEMORY,
                   .splice = {.out = -1, .in = -1}};
    luaL_setmetatable(L, copy_name);
    lua_replace(L, COPY_STATE);
    return copy;
}

/* For a copy whose coroutine user code has closed. Its streams are older, so they are finalized later. */
static int copy_gc(lua_State *L) {
    Copy *copy = lua_touserdata(L, 1);
    if (copy->task != NULL && !copy->task->loop->closed) {
        copy->task->object = NULL;
        copy_release(copy, copy->task);
    }
    splice_close(&copy->splice);
    return 0;
}

/*
** copy(from, to [, options]) sends on `to` what arrives on `from`, until that
** ends, and returns the number of bytes. Option: `max`, the most bytes to copy.
** A failure has the number of bytes moved as its fourth value, and the stream that
** failed as its fifth; what was read beyond these bytes is still in `from`.
*/
static int copy_streams(lua_State *L) {
    static const char *const names[] = {"max", NULL};
    Stream *from = stream_check(L, COPY_FROM), *to = stream_check(L, COPY_TO);
    args_options(L, COPY_OPTIONS, names);
    lua_settop(L, COPY_OPTIONS);
    args_integer_option(L, COPY_OPTIONS, "max", 0, LUA_MAXINTEGER, 0);
    Task *task = task_enter(L, from->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    Copy *copy = copy_new(L, from, to);
    if (!from->socket.handle.open) return copy_fail(L, copy, task, from, ARSENAL_CLOSED);
    if (!to->socket.handle.open) return copy_fail(L, copy, task, to, ARSENAL_CLOSED);
    if (from->receiver != NULL) return copy_refuse_receiver(L, copy);
    if (send_queue_take_turn(&to->senders, task, to->socket.send_timeout))
        return copy_on_turn(L, copy, task);
    copy_hold(copy, task);
    return task_wait(L, task, &copy_wait, copy);
}

static const luaL_Reg functions[] = {
    {"copy", copy_streams},
    {NULL, NULL},
};

void copy_open(lua_State *L) {
    luaL_newmetatable(L, copy_name);
    lua_pushcfunction(L, copy_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
