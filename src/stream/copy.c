/*
** Owns copying: bytes from one stream to another, over any transports, that
** Lua never sees. What was read and not sent stays in the stream that it came
** from, so that a copy which breaks off loses nothing.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "system/splice.h"
#include "stream/stream.h"

enum { FROM = 1, TO, OPTIONS, COPY = OPTIONS };

enum { LITTLE = 8 * 1024 }; /* less than this at once is read and written faster than spliced */

typedef struct Copy {
    Stream *from, *to; /* on the stack of the call */
    Stream *awaited;
    Task *task; /* which waits */
    uint64_t moved, left;
    bool plain; /* both streams: bytes may be spliced */
    bool splicing;
    Splice splice;
} Copy;

static const char copy_name[] = "arsenal.copy";

/* --- how a copy ends --- */

/* What the splice holds goes back to the stream that it came from. */
static void put_back(Copy *copy) {
    Stream *from = copy->from;
    size_t held = copy->splice.held;
    if (held == 0 || !from->socket.handle.open) return;
    char *room = buffer_reserve(&from->input, held);
    if (room != NULL) {
        splice_take(&copy->splice, room);
        buffer_added(&from->input, held);
    } else {
        from->read_end = UV_ENOMEM; /* the stream has a hole from here on */
    }
}

static void let_go(Copy *copy, Task *task) {
    copy->task = NULL;
    put_back(copy);
    splice_close(&copy->splice);
    if (copy->from->receiver == task) copy->from->receiver = NULL;
    if (copy->to->sender == task)
        stream_abandon_turn(copy->to, 0); /* whole, but for what it holds */
}

static int done(lua_State *L, Copy *copy, Task *task) {
    let_go(copy, task);
    lua_pushinteger(L, (lua_Integer)copy->moved);
    return 1;
}

/* nil, message, code, bytes moved, and whether it is `to` that failed */
static int fail(lua_State *L, Copy *copy, Task *task, const Stream *stream, int status) {
    let_go(copy, task);
    stream_fail(L, stream, stream == copy->to ? "copy to" : "copy from", status);
    lua_pushinteger(L, (lua_Integer)copy->moved);
    lua_pushboolean(L, stream == copy->to);
    return 5;
}

/* --- waiting --- */

static int go_on(lua_State *L);

static void forget(Task *task) {
    let_go(task->object, task);
}

static void describe(lua_State *L, Task *task) {
    const Copy *copy = task->object;
    handle_push_name(L, &copy->from->socket.handle);
    handle_push_name(L, &copy->to->socket.handle);
    lua_pushfstring(L, "copying from %s to %s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static const WaitKind copy_wait = {go_on, forget, describe};

static void hold_on(Copy *copy, Task *task) {
    copy->from->receiver = task;
    copy->task = task;
}

static int stand_aside(lua_State *L, Copy *copy, Task *task) {
    hold_on(copy, task);
    return task_pause(L, task, &copy_wait, copy);
}

/* Each wait has the whole of the stream's limit: a copy may be long, and must only not stand still. */
static int wait_for(lua_State *L, Copy *copy, Task *task, Stream *stream, ptrdiff_t wants,
                    uint64_t limit) {
    unsigned events = wants == TRANSPORT_WANTS_READ ? POLL_READ : POLL_WRITE;
    poller_exhausted(&stream->socket.poller, events);
    hold_on(copy, task);
    copy->awaited = stream;
    task_clear_timeout(task);
    task_set_timeout(task, limit);
    int status = poller_wait(&stream->socket.poller, &task->waiter, events);
    if (status != 0) return fail(L, copy, task, stream, status);
    return task_wait(L, task, &copy_wait, copy);
}

static bool is_want(ptrdiff_t answer) {
    return answer == TRANSPORT_WANTS_READ || answer == TRANSPORT_WANTS_WRITE;
}

/* What each of the steps below makes of an answer: 0 to go on, or the call's results. */

static int heed_write(lua_State *L, Copy *copy, Task *task, ptrdiff_t written) {
    if (is_want(written))
        return wait_for(L, copy, task, copy->to, written, copy->to->socket.send_timeout);
    return written < 0 ? fail(L, copy, task, copy->to, (int)written) : 0;
}

static int heed_read(lua_State *L, Copy *copy, Task *task, ptrdiff_t count) {
    if (is_want(count))
        return wait_for(L, copy, task, copy->from, count, copy->from->socket.recv_timeout);
    if (count > 0)
        copy->from->received += (size_t)count;
    else
        copy->from->read_end = count == 0 ? 1 : (int)count;
    return 0;
}

/* --- moving through memory --- */

static size_t at_most(const Copy *copy, size_t size) {
    return copy->left < size ? (size_t)copy->left : size;
}

static void count_sent(Copy *copy, size_t size) {
    copy->to->sent += size;
    copy->moved += size;
    copy->left -= size;
}

/* Writes once. Returns what the transport does. */
static ptrdiff_t write_some(Copy *copy, const char *data, size_t size) {
    Stream *to = copy->to;
    if (!(to->socket.poller.ready & POLL_WRITE)) return TRANSPORT_WANTS_WRITE;
    size = at_most(copy, size);
    uv_buf_t part = uv_buf_init((char *)data, (unsigned)size);
    ptrdiff_t written = to->transport->write(to->state, to->socket.poller.fd, &part, 1);
    if (written < 0) return written;
    if ((size_t)written < size && to->transport->short_is_empty)
        poller_exhausted(&to->socket.poller, POLL_WRITE);
    count_sent(copy, (size_t)written);
    return written;
}

/* Reads once, into the scratch buffer. Returns what the transport does. */
static ptrdiff_t read_some(Copy *copy) {
    Stream *from = copy->from;
    size_t ask = at_most(copy, READ_SIZE);
    if (!(from->socket.poller.ready & POLL_READ)) return TRANSPORT_WANTS_READ;
    ptrdiff_t count = from->transport->read(from->state, from->socket.poller.fd,
                                            from->socket.handle.loop->scratch, ask);
    if (count >= 0 && count < (ptrdiff_t)ask && from->transport->short_is_empty)
        poller_exhausted(&from->socket.poller, POLL_READ);
    return count;
}

/* Writes the `size` bytes of the scratch buffer once, and keeps the rest. Returns as write_some. */
static ptrdiff_t pass_on(Copy *copy, size_t size) {
    Stream *from = copy->from;
    const char *data = from->socket.handle.loop->scratch;
    ptrdiff_t written = write_some(copy, data, size);
    size_t gone = written > 0 ? (size_t)written : 0;
    if (buffer_append(&from->input, data + gone, size - gone)) return written;
    from->read_end = UV_ENOMEM;
    return 0;
}

static int send_held(lua_State *L, Copy *copy, Task *task) {
    Buffer *input = &copy->from->input;
    ptrdiff_t written = write_some(copy, buffer_data(input), buffer_length(input));
    if (written > 0) buffer_drop(input, (size_t)written);
    return heed_write(L, copy, task, written);
}

static int send_next(lua_State *L, Copy *copy, Task *task) {
    ptrdiff_t count = read_some(copy);
    if (count <= 0) return heed_read(L, copy, task, count);
    heed_read(L, copy, task, count);
    copy->splicing = copy->plain && count == READ_SIZE;
    return heed_write(L, copy, task, pass_on(copy, (size_t)count));
}

/* --- moving through the kernel, where there is much --- */

static ptrdiff_t fill(Copy *copy) {
    Stream *from = copy->from;
    if (!(from->socket.poller.ready & POLL_READ)) return TRANSPORT_WANTS_READ;
    ptrdiff_t count =
        splice_fill(&copy->splice, from->socket.poller.fd, at_most(copy, SPLICE_SIZE));
    return count == UV_EAGAIN ? TRANSPORT_WANTS_READ : count;
}

static ptrdiff_t drain(Copy *copy) {
    Stream *to = copy->to;
    if (!(to->socket.poller.ready & POLL_WRITE)) return TRANSPORT_WANTS_WRITE;
    ptrdiff_t count = splice_drain(&copy->splice, to->socket.poller.fd);
    if (count > 0) count_sent(copy, (size_t)count);
    return count == UV_EAGAIN ? TRANSPORT_WANTS_WRITE : count;
}

static int splice_next(lua_State *L, Copy *copy, Task *task) {
    if (copy->splice.held > 0) return heed_write(L, copy, task, drain(copy));
    if (copy->splice.out < 0 && splice_open(&copy->splice) != 0) {
        copy->plain = copy->splicing = false;
        return 0;
    }
    ptrdiff_t count = fill(copy);
    copy->splicing = count < 0 || count >= LITTLE;
    return heed_read(L, copy, task, count);
}

static int move(lua_State *L, Copy *copy, Task *task) {
    Stream *from = copy->from;
    int results = 0;
    while (results == 0) {
        bool held = buffer_length(&from->input) > 0, spliced = copy->splice.held > 0;
        if (copy->left == 0) return done(L, copy, task);
        if (!held && !spliced && from->read_end == 1) return done(L, copy, task);
        if (!held && !spliced && from->read_end != 0)
            return fail(L, copy, task, from, from->read_end);
        if (task_spent(from->socket.handle.loop)) return stand_aside(L, copy, task);
        if (held)
            results = send_held(L, copy, task);
        else
            results =
                spliced || copy->splicing ? splice_next(L, copy, task) : send_next(L, copy, task);
    }
    return results;
}

static int begin(lua_State *L, Copy *copy, Task *task) {
    if (!copy->to->write_ended) return move(L, copy, task);
    let_go(copy, task);
    return stream_refuse_after_end(L, copy->to);
}

/* The task was woken: by its turn to send, by either stream, or its time is up. */
static int go_on(lua_State *L) {
    Copy *copy = lua_touserdata(L, COPY);
    Task *task = copy->from->socket.handle.loop->running;
    copy->from->receiver = NULL;
    copy->task = NULL;
    if (!copy->from->socket.handle.open) return fail(L, copy, task, copy->from, ARSENAL_CLOSED);
    if (!copy->to->socket.handle.open) return fail(L, copy, task, copy->to, ARSENAL_CLOSED);
    if (task->status != 0) return fail(L, copy, task, copy->awaited, task->status);
    return begin(L, copy, task);
}

/* --- the call --- */

static Copy *copy_new(lua_State *L, Stream *from, Stream *to) {
    lua_Integer max = args_integer_option(L, OPTIONS, "max", 0, LUA_MAXINTEGER, LUA_MAXINTEGER);
    Copy *copy = lua_newuserdatauv(L, sizeof *copy, 0);
    *copy = (Copy){.from = from, .to = to, .awaited = to, .left = (uint64_t)max};
    copy->splice = (Splice){.out = -1, .in = -1};
    copy->plain = from->transport == &transport_plain && to->transport == &transport_plain;
    luaL_setmetatable(L, copy_name);
    lua_replace(L, COPY);
    return copy;
}

/* Of a copy whose coroutine a stranger has closed. Its streams, which are older, are finalized later. */
static int copy_gc(lua_State *L) {
    Copy *copy = lua_touserdata(L, 1);
    if (copy->task != NULL && !copy->task->loop->closed) {
        copy->task->object = NULL;
        let_go(copy, copy->task);
    }
    splice_close(&copy->splice);
    return 0;
}

/*
** copy(from, to [, options]) sends on `to` what comes on `from`, until that
** ends, and returns the number of bytes. Option: `max`, bytes after which it
** returns. A failure's fourth value is how many were moved; what was read
** beyond that is still in `from`.
*/
static int copy_streams(lua_State *L) {
    static const char *const names[] = {"max", NULL};
    Stream *from = stream_check(L, FROM), *to = stream_check(L, TO);
    args_options(L, OPTIONS, names);
    lua_settop(L, OPTIONS);
    args_integer_option(L, OPTIONS, "max", 0, LUA_MAXINTEGER, 0);
    Task *task = task_enter(L, from->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    Copy *copy = copy_new(L, from, to);
    if (!from->socket.handle.open) return fail(L, copy, task, from, ARSENAL_CLOSED);
    if (!to->socket.handle.open) return fail(L, copy, task, to, ARSENAL_CLOSED);
    if (from->receiver != NULL) return stream_refuse_receiver(L, from, "copy");
    if (!stream_must_queue(to, task)) return begin(L, copy, task);
    hold_on(copy, task);
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
