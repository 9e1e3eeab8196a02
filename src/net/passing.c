/*
** Owns the two methods of Unix streams that pass descriptors: streams, listeners,
** datagram sockets and numbers. What is sent stays the sender's, too; what is
** received belongs to the receiver's objects.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/outbox.h"
#include "event/run.h"
#include "net/adopt.h"
#include "net/datagram.h"
#include "net/listener.h"
#include "stream/stream_io.h"

#include <limits.h>

static const char passed_name[] = "arsenal.passed_fds";

/* Returns 0, or the number of results for a stream that cannot pass descriptors. */
static int passing_refuse(lua_State *L, const Stream *stream, const char *verb) {
    if (!stream->socket.handle.open) return stream_fail(L, stream, verb, ARSENAL_CLOSED);
    if (stream->transport == &transport_unix) return 0;
    return handle_fail_reason(L, &stream->socket.handle, verb, UV_ENOTSUP,
                              "only a unix stream passes handles");
}

/* --- what is sent --- */

enum { SEND_SELF = 1, SEND_DATA, SEND_LIST };

/* Whether the object holds bytes or datagrams that were read from the kernel and not received. */
static bool passing_holds_data(const SocketHandle *socket) {
    const HandleType *type = socket->handle.type;
    if (type >= stream_types && type < stream_types + STREAM_FAMILIES)
        return buffer_length(&((const Stream *)socket)->input) > 0;
    if (type == &datagram_types[DATAGRAM_UDP])
        return buffer_length(&((const DatagramSocket *)socket)->queue) > 0;
    return false;
}

/* The object at `index` if it is one that can be passed, whatever its state; otherwise NULL. */
static SocketHandle *passing_object(lua_State *L, int index) {
    static const struct {
        const HandleType *types;
        unsigned count;
    } known[] = {{stream_types, STREAM_FAMILIES},
                 {listener_types, LISTENER_FAMILIES},
                 {datagram_types, DATAGRAM_TYPES}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        SocketHandle *socket = handle_test_type(L, index, known[i].types, known[i].count);
        if (socket != NULL) return socket;
    }
    return NULL;
}

/* What is wrong with the value on top as one to pass, or NULL. */
static const char *passing_wrong(lua_State *L) {
    int is_integer;
    lua_Integer fd = lua_tointegerx(L, -1, &is_integer);
    if (lua_type(L, -1) == LUA_TNUMBER)
        return is_integer && fd >= 0 && fd <= INT_MAX ? NULL : "that is no descriptor";
    const SocketHandle *socket = passing_object(L, -1);
    if (socket != NULL)
        return socket->handle.type == &stream_types[STREAM_TLS] ? "a tls stream cannot be passed"
                                                                : NULL;
    if (luaL_getmetafield(L, -1, "__name") != LUA_TSTRING) lua_pushstring(L, luaL_typename(L, -1));
    return lua_pushfstring(L, "stream, listener, datagram socket or number expected, got %s",
                           lua_tostring(L, -1));
}

/* Checks the list, and puts a copy in its place, which no other code can change. */
static void passing_check_list(lua_State *L) {
    luaL_checktype(L, SEND_LIST, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, SEND_LIST);
    if (count > FD_PASSING_MOST)
        luaL_argerror(L, SEND_LIST,
                      lua_pushfstring(L, "at most %d handles can be passed at once",
                                      (int)FD_PASSING_MOST));
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, SEND_LIST, i);
        const char *wrong = passing_wrong(L);
        if (wrong != NULL)
            luaL_argerror(L, SEND_LIST, lua_pushfstring(L, "index %I: %s", (LUAI_UACINT)i, wrong));
        lua_rawseti(L, -2, i);
    }
    lua_replace(L, SEND_LIST);
}

/* The status of the value on top: *fd if it is 0. */
static int passing_fd_of(lua_State *L, int *fd) {
    const SocketHandle *socket = passing_object(L, -1);
    *fd = socket == NULL ? (int)lua_tointeger(L, -1) : socket->poller.fd;
    if (socket == NULL) return 0;
    if (!socket->handle.open) return ARSENAL_CLOSED;
    if (socket->handle.type == &stream_types[STREAM_TLS]) return UV_ENOTSUP;
    return passing_holds_data(socket) ? ARSENAL_BUSY : 0;
}

static const char *passing_reason(int status) {
    switch (status) {
    case ARSENAL_CLOSED:
        return "it is closed";
    case ARSENAL_BUSY:
        return "it holds data that nobody has received";
    default:
        return "a tls stream cannot be passed";
    }
}

/* [-0, +0 or 3] the descriptors of the list. Returns how many, or -1 with a failure on top. */
static int passing_collect(lua_State *L, const Stream *stream, int *fds) {
    int count = (int)lua_rawlen(L, SEND_LIST);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, SEND_LIST, i + 1);
        int status = passing_fd_of(L, &fds[i]);
        lua_pop(L, 1);
        if (status == 0) continue;
        const char *reason = lua_pushfstring(L, "index %d: %s", i + 1, passing_reason(status));
        handle_fail_reason(L, &stream->socket.handle, "send_handles", status, reason);
        return -1;
    }
    return count;
}

static void passing_leave_file(UnixSocketFile **file) {
    if (*file != NULL) unix_socket_file_leave(*file);
    *file = NULL;
}

/* The receiver has the socket, too: closing the object at -1 must not take away its bytes or its file. */
static void passing_share(lua_State *L) {
    SocketHandle *socket = passing_object(L, -1);
    if (socket == NULL) return;
    const HandleType *type = socket->handle.type;
    if (type >= stream_types && type < stream_types + STREAM_FAMILIES)
        ((Stream *)socket)->is_shared = true;
    else if (type >= listener_types && type < listener_types + LISTENER_FAMILIES)
        passing_leave_file(&((Listener *)socket)->file);
    else
        passing_leave_file(&((DatagramSocket *)socket)->file);
}

static void passing_share_all(lua_State *L) {
    int count = (int)lua_rawlen(L, SEND_LIST);
    for (int i = 1; i <= count; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, SEND_LIST, i);
        passing_share(L);
    }
}

/* --- sending --- */

static int passing_send_resume(lua_State *L, Task *task);

static void passing_send_forget(Task *task) {
    Stream *stream = task->object;
    if (stream->senders.sender == task) stream_abandon_turn(stream, task->progress);
}

static void passing_send_describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "sending handles on");
}

static const WaitKind send_wait = {passing_send_resume, passing_send_forget, passing_send_describe};

/* [-3, +4] adds the bytes that went out to the failure on top. */
static int passing_send_failed(lua_State *L, size_t sent) {
    lua_pushinteger(L, (lua_Integer)sent);
    return 4;
}

static int passing_send_fail(lua_State *L, const Stream *stream, size_t sent, int status) {
    stream_fail(L, stream, "send_handles", status);
    return passing_send_failed(L, sent);
}

static int passing_send_end(lua_State *L, Stream *stream, size_t sent, int status) {
    if (status != 0 && stream_has_begun(stream, sent)) stream_cut(stream);
    send_queue_pass_turn(&stream->senders);
    if (status != 0) return passing_send_fail(L, stream, sent, status);
    lua_pushinteger(L, (lua_Integer)sent);
    return 1;
}

/* The handles go with the first bytes. Returns as stream_write does; *refused: a failure is on top. */
static ptrdiff_t passing_write(lua_State *L, Stream *stream, const char *data, size_t size,
                               bool is_first, bool *refused) {
    int fds[FD_PASSING_MOST];
    uv_buf_t part = {.base = (char *)data, .len = size};
    if (!is_first) return stream_write(stream, &part, 1, size);
    outbox_flush(stream->socket.handle.loop); /* letters on the streams among them come first */
    int count = passing_collect(L, stream, fds);
    *refused = count < 0;
    if (*refused) return 0;
    ptrdiff_t written = stream_write_passing(stream, data, size, fds, count);
    if (written > 0) passing_share_all(L);
    return written;
}

static int passing_send_wait_for(lua_State *L, Stream *stream, Task *task, ptrdiff_t wants) {
    int status = stream_watch(stream, task, wants, stream->socket.send_timeout);
    if (status != 0) return passing_send_end(L, stream, task->progress, status);
    return task_wait(L, task, &send_wait, stream);
}

/* The task has its turn. */
static int passing_send_rest(lua_State *L, Stream *stream, Task *task) {
    size_t size;
    bool refused = false;
    const char *data = lua_tolstring(L, SEND_DATA, &size);
    while (task->progress < size) {
        if (task_spent(task->loop)) return task_pause(L, task, &send_wait, stream);
        ptrdiff_t written = passing_write(L, stream, data + task->progress, size - task->progress,
                                          task->progress == 0, &refused);
        if (refused) {
            send_queue_pass_turn(&stream->senders);
            return passing_send_failed(L, 0);
        }
        if (transport_wants(written)) return passing_send_wait_for(L, stream, task, written);
        if (written < 0) return passing_send_end(L, stream, task->progress, (int)written);
        task->progress += (size_t)written;
    }
    return passing_send_end(L, stream, size, 0);
}

/* The stream may have become a TLS stream while the task waited for its turn. */
static int passing_send_on_turn(lua_State *L, Stream *stream, Task *task) {
    bool is_refused = stream->sending != STREAM_SENDS || stream->transport != &transport_unix;
    if (!is_refused) return passing_send_rest(L, stream, task);
    send_queue_pass_turn(&stream->senders);
    if (stream->sending != STREAM_SENDS) return stream_refuse_sender(L, stream);
    passing_refuse(L, stream, "send_handles");
    return passing_send_failed(L, 0);
}

static int passing_send_resume(lua_State *L, Task *task) {
    Stream *stream = lua_touserdata(L, SEND_SELF);
    if (!stream->socket.handle.open)
        return passing_send_fail(L, stream, task->progress, ARSENAL_CLOSED);
    if (task->status == 0) return passing_send_on_turn(L, stream, task);
    if (stream->senders.sender == task)
        return passing_send_end(L, stream, task->progress, task->status);
    return passing_send_fail(L, stream, 0, task->status);
}

/*
** stream:send_handles(data, list): sends the data, at least a byte, and with its
** first byte the handles. Otherwise it is as send.
*/
static int passing_send_method(lua_State *L) {
    Stream *stream = stream_check(L, SEND_SELF);
    luaL_checktype(L, SEND_DATA, LUA_TSTRING);
    luaL_argcheck(L, lua_rawlen(L, SEND_DATA) > 0, SEND_DATA, "handles go with at least one byte");
    lua_settop(L, SEND_LIST);
    passing_check_list(L);
    Task *task = task_enter(L, stream->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    if (passing_refuse(L, stream, "send_handles") != 0) return passing_send_failed(L, 0);
    if (!send_queue_take_turn(&stream->senders, task, stream->socket.send_timeout))
        return task_wait(L, task, &send_wait, stream);
    return passing_send_on_turn(L, stream, task);
}

/* --- receiving --- */

enum { RECV_SELF = 1, RECV_MOST, RECV_PASSED };

static int passing_recv_step(lua_State *L, Task *task);

static void passing_recv_forget(Task *task) {
    ((Stream *)task->object)->receiver = NULL;
}

static void passing_recv_describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "receiving handles on");
}

static const WaitKind recv_wait = {passing_recv_step, passing_recv_forget, passing_recv_describe};

static int passing_recv_fail(lua_State *L, const Stream *stream, int status) {
    return stream_fail(L, stream, "recv_handles", status);
}

/* [-0, +n] the objects and numbers for what has come; data and list, or a failure and the data. */
static int passing_recv_refuse(lua_State *L, const Stream *stream, PassedFds *passed, int data) {
    int count = passed->count, most = (int)lua_tointeger(L, RECV_MOST);
    fd_passing_close(passed);
    if (passed->truncated) {
        passing_recv_fail(L, stream, UV_EMFILE);
    } else {
        const char *reason =
            lua_pushfstring(L, "%d handles came, and the limit is %d", count, most);
        handle_fail_reason(L, &stream->socket.handle, "recv_handles", ARSENAL_TOOLONG, reason);
    }
    lua_pushvalue(L, data);
    return 4;
}

static int passing_recv_deliver(lua_State *L, const Stream *stream, const char *bytes,
                                size_t size) {
    PassedFds *passed = lua_touserdata(L, RECV_PASSED);
    lua_pushlstring(L, bytes, size);
    int data = lua_gettop(L);
    if (passed->truncated || passed->count > (int)lua_tointeger(L, RECV_MOST))
        return passing_recv_refuse(L, stream, passed, data);
    lua_createtable(L, passed->count, 0);
    for (int i = 0; i < passed->count; i++) {
        adopt_push(L, passed->fds[i]);
        passed->fds[i] = -1;
        lua_rawseti(L, -2, i + 1);
    }
    passed->count = 0;
    return 2;
}

/* The bytes that other calls have left come first, without handles. */
static int passing_recv_kept(lua_State *L, Stream *stream) {
    size_t size = buffer_length(&stream->input);
    passing_recv_deliver(L, stream, buffer_data(&stream->input), size);
    buffer_drop(&stream->input, size);
    return 2;
}

static int passing_recv_wait_for(lua_State *L, Stream *stream, ptrdiff_t wants) {
    Task *task = stream->socket.handle.loop->running;
    int status = stream_watch(stream, task, wants, stream->socket.recv_timeout);
    if (status != 0) return passing_recv_fail(L, stream, status);
    stream->receiver = task;
    return task_wait(L, task, &recv_wait, stream);
}

static int passing_recv_now_or_wait(lua_State *L, Stream *stream) {
    Loop *loop = stream->socket.handle.loop;
    if (buffer_length(&stream->input) > 0) return passing_recv_kept(L, stream);
    ptrdiff_t count =
        stream_read_passing(stream, loop->scratch, READ_SIZE, lua_touserdata(L, RECV_PASSED));
    if (transport_wants(count)) return passing_recv_wait_for(L, stream, count);
    if (count > 0) return passing_recv_deliver(L, stream, loop->scratch, (size_t)count);
    if (stream->read_end < 0) return passing_recv_fail(L, stream, stream->read_end);
    lua_pushnil(L);
    return 1;
}

static int passing_recv_step(lua_State *L, Task *task) {
    Stream *stream = lua_touserdata(L, RECV_SELF);
    stream->receiver = NULL;
    if (task->status != 0) return passing_recv_fail(L, stream, task->status);
    int refused = passing_refuse(L, stream, "recv_handles");
    return refused != 0 ? refused : passing_recv_now_or_wait(L, stream);
}

/*
** stream:recv_handles([max]): the next bytes, and a list of the handles that came with
** them, at most `max`; nil at the end of the stream.
*/
static int passing_recv_method(lua_State *L) {
    Stream *stream = stream_check(L, RECV_SELF);
    lua_Integer most = args_optional_integer(L, RECV_MOST, 0, LUA_MAXINTEGER, FD_PASSING_MOST);
    lua_settop(L, RECV_SELF);
    lua_pushinteger(L, most < FD_PASSING_MOST ? most : FD_PASSING_MOST);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    int refused = passing_refuse(L, stream, "recv_handles");
    if (refused != 0) return refused;
    if (stream->receiver != NULL) return stream_refuse_receiver(L, stream, "recv_handles");
    PassedFds *passed = lua_newuserdatauv(L, sizeof *passed, 0);
    passed->count = 0;
    passed->truncated = false;
    luaL_setmetatable(L, passed_name);
    return passing_recv_now_or_wait(L, stream);
}

/* After an error for lack of memory: what was received, and has no object, is closed. */
static int passing_collect_garbage(lua_State *L) {
    fd_passing_close(luaL_checkudata(L, 1, passed_name));
    return 0;
}

static const luaL_Reg methods[] = {
    {"send_handles", passing_send_method},
    {"recv_handles", passing_recv_method},
    {NULL, NULL},
};

void passing_open(lua_State *L) {
    luaL_newmetatable(L, passed_name);
    lua_pushcfunction(L, passing_collect_garbage);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_getfield(L, -1, "stream_methods");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
