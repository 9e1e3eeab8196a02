/*
** Owns datagram sockets: receiving and sending, each a whole message. What one
** system call takes from the kernel beyond the first datagram waits in the
** socket's queue, at most RECV_BATCH_MOST - 1 of them. Any number of tasks may
** receive, and each datagram goes to one.
*/
#include "net/datagram.h"

#include "system/recv_batch.h"
#include "system/socket_name.h"
#include "base/error.h"
#include "event/run.h"
#include "kernel/public.h"
#include "system/socket.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { SELF = 1, MAX = 2, DATA = 2, HOST, PORT };

/* What stands before each datagram in the queue. */
typedef struct Header {
    size_t size;
    Address from;
} Header;

static void describe(lua_State *L, const Handle *handle) {
    int fd = ((const Datagram *)handle)->poller.fd;
    UnixAddress name;
    socket_name_push_text(L, fd, END_LOCAL);
    if (socket_remote_unix(fd, &name) != 0) return;
    lua_pushliteral(L, " -> ");
    socket_name_push_text(L, fd, END_REMOTE);
    lua_concat(L, 3);
}

static void close_datagram(Handle *handle) {
    Datagram *socket = (Datagram *)handle;
    int fd = socket->poller.fd;
    poller_close(&socket->poller, ARSENAL_CLOSED);
    buffer_free(&socket->queue);
    socket->dropped += socket_dropped(fd);
    socket_close(fd);
}

static int attempt(lua_State *L);

static int watch(void *socket, Waiter *waiter) {
    return poller_wait(&((Datagram *)socket)->poller, waiter, POLL_READ);
}

static const Selectable source = {attempt, watch, NULL, NULL};

const HandleType datagram_type = {"udp socket",   "datagram socket", KIND_DATAGRAM,
                                  close_datagram, describe,          &source};

Datagram *datagram_new(lua_State *L, int family) {
    Datagram *socket = handle_new(L, &datagram_type, sizeof *socket, 1);
    socket->family = family;
    socket->recv_timeout = socket->send_timeout = FOREVER;
    socket->poller.fd = -1;
    return socket;
}

void datagram_adopt(Datagram *socket, int fd) {
    poller_init(&socket->poller, socket->handle.loop, fd);
    socket->poller.watched_first = POLL_READ; /* each datagram that leaves would be an event */
    handle_opened(&socket->handle);
}

/* --- what the four calls have in common --- */

typedef struct Call {
    WaitKind wait;
    const char *verb;
    bool addressed; /* tells, or is told, the other end */
    bool never_waits;
} Call;

static int fail(lua_State *L, const Datagram *socket, const Call *call, int status) {
    return handle_fail(L, &socket->handle, call->verb, status);
}

static void describe_wait(lua_State *L, Task *task) {
    handle_push_name(L, task->object);
    lua_pushfstring(L, "%s on %s", ((const Call *)task->kind)->verb, lua_tostring(L, -1));
    lua_replace(L, -2);
}

/* A call would block. What a stream's poller takes for a hang-up is one error here, told by now. */
static void exhausted(Datagram *socket, unsigned events) {
    socket->poller.ready &= (uint8_t) ~(events | POLL_HANGUP);
}

static int wait_for(lua_State *L, Datagram *socket, const Call *call, unsigned events,
                    uint64_t limit) {
    Task *task = socket->handle.loop->running;
    task_set_timeout(task, limit);
    int status = poller_wait(&socket->poller, &task->waiter, events);
    if (status != 0) return fail(L, socket, call, status);
    return task_wait(L, task, &call->wait, socket);
}

/* [-0, +1] the host of `from`, which is the same string as long as it is the same host */
static void push_host(lua_State *L, Datagram *socket, const Address *from) {
    bool known = address_same_host(from, &socket->known);
    if (known && lua_getiuservalue(L, SELF, 1) == LUA_TSTRING) return;
    address_push_host(L, from);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, SELF, 1);
    socket->known = *from;
}

/* --- receiving --- */

static int refuse_oversized(lua_State *L, Datagram *socket, const Call *call, const char *data,
                            size_t size, const Address *from) {
    size_t max = (size_t)lua_tointeger(L, MAX);
    handle_push_name(L, &socket->handle);
    lua_pushfstring(L, "%s %s: the datagram has %I bytes, and the limit is %I", call->verb,
                    lua_tostring(L, -1), (LUAI_UACINT)size, (LUAI_UACINT)max);
    error_push_reason(L, ARSENAL_TOOLONG, lua_tostring(L, -1));
    lua_pushlstring(L, data, max);
    push_host(L, socket, from);
    lua_pushinteger(L, address_port(from));
    return 6;
}

static int deliver(lua_State *L, Datagram *socket, const Call *call, const char *data, size_t size,
                   const Address *from) {
    if (size > (size_t)lua_tointeger(L, MAX))
        return refuse_oversized(L, socket, call, data, size, from);
    lua_pushlstring(L, data, size);
    if (!call->addressed) return 1;
    push_host(L, socket, from);
    lua_pushinteger(L, address_port(from));
    return 3;
}

static int take_from_queue(lua_State *L, Datagram *socket, const Call *call) {
    Header header;
    memcpy(&header, buffer_data(&socket->queue), sizeof header);
    const char *data = buffer_data(&socket->queue) + sizeof header;
    int results = deliver(L, socket, call, data, header.size, &header.from);
    buffer_drop(&socket->queue, sizeof header + header.size);
    return results;
}

static void put_in_queue(Datagram *socket, const char *data, size_t size, const Address *from) {
    Header header = {.size = size, .from = *from};
    char *room = buffer_reserve(&socket->queue, sizeof header + size);
    if (room == NULL) {
        socket->dropped++;
        return;
    }
    memcpy(room, &header, sizeof header);
    memcpy(room + sizeof header, data, size);
    buffer_added(&socket->queue, sizeof header + size);
}

/* What all sockets of the loop receive into, made when the first one does. */
typedef struct BatchPart {
    LoopPart part;
    RecvBatch *batch;
} BatchPart;

static const char batch_key;

static void datagram_close_batch(LoopPart *part, Loop *loop) {
    (void)loop;
    free(((BatchPart *)part)->batch);
    free(part);
}

static RecvBatch *datagram_batch(Loop *loop) {
    BatchPart *part = loop_need_part(loop, &batch_key, sizeof *part, datagram_close_batch);
    if (part == NULL) return NULL;
    if (part->batch == NULL) part->batch = recv_batch_new();
    return part->batch;
}

static int take_from_kernel(lua_State *L, Datagram *socket, const Call *call) {
    Loop *loop = socket->handle.loop;
    bool drained;
    size_t size;
    Address from;
    RecvBatch *batch = datagram_batch(loop);
    if (batch == NULL) return luaL_error(L, "not enough memory");
    int count = recv_batch_receive(batch, socket->poller.fd, &drained);
    if (drained) exhausted(socket, POLL_READ);
    if (count < 0) return count == UV_EAGAIN ? 0 : fail(L, socket, call, count);
    socket->received += (unsigned)count;
    for (int i = 1; i < count; i++) {
        const char *data = recv_batch_datagram(batch, i, &size, &from);
        put_in_queue(socket, data, size, &from);
    }
    const char *data = recv_batch_datagram(batch, 0, &size, &from);
    return deliver(L, socket, call, data, size, &from);
}

static int receive(lua_State *L, const Call *call) {
    Datagram *socket = lua_touserdata(L, SELF);
    Loop *loop = socket->handle.loop;
    if (!socket->handle.open) return fail(L, socket, call, ARSENAL_CLOSED);
    while (buffer_length(&socket->queue) == 0) {
        if (!(socket->poller.ready & POLL_READ)) {
            if (call->never_waits) return 0;
            return wait_for(L, socket, call, POLL_READ, socket->recv_timeout);
        }
        if (!call->never_waits && task_spent(loop))
            return task_pause(L, loop->running, &call->wait, socket);
        int results = take_from_kernel(L, socket, call);
        if (results > 0) return results;
    }
    return take_from_queue(L, socket, call);
}

static int go_on_receiving(lua_State *L) {
    Datagram *socket = lua_touserdata(L, SELF);
    Task *task = socket->handle.loop->running;
    const Call *call = (const Call *)task->kind;
    if (task->status != 0) return fail(L, socket, call, task->status);
    return receive(L, call);
}

#define RECEIVING \
    { go_on_receiving, NULL, describe_wait }

static const Call recv_call = {RECEIVING, "recv", false, false};
static const Call recv_from_call = {RECEIVING, "recv_from", true, false};
static const Call attempt_call = {RECEIVING, "recv_from", true, true};

static int attempt(lua_State *L) {
    datagram_check(L, SELF);
    lua_settop(L, SELF);
    lua_pushinteger(L, RECV_BATCH_DATAGRAM);
    return receive(L, &attempt_call);
}

static int begin_receiving(lua_State *L, const Call *call) {
    Datagram *socket = datagram_check(L, SELF);
    lua_Integer max = args_optional_integer(L, MAX, 1, LUA_MAXINTEGER, RECV_BATCH_DATAGRAM);
    lua_settop(L, SELF);
    lua_pushinteger(L, max);
    return task_enter(L, socket->handle.loop) == NULL ? run_outside(L) : receive(L, call);
}

/* socket:recv([max]) the next datagram; see recv_from. */
static int recv_method(lua_State *L) {
    return begin_receiving(L, &recv_call);
}

/*
** socket:recv_from([max]) the next datagram, and the host and port that it came
** from. For one of more than `max` bytes: nil, message, "TOOLONG", its first
** `max` bytes, host, port; the rest of it is gone.
*/
static int recv_from(lua_State *L) {
    return begin_receiving(L, &recv_from_call);
}

/* --- sending --- */

/* Where the call's HOST and PORT are; false when HOST is no numeric address. */
static bool parse_destination(lua_State *L, const Datagram *socket, Address *to) {
    int port = (int)lua_tointeger(L, PORT);
    bool known = lua_getiuservalue(L, SELF, 1) == LUA_TSTRING && lua_rawequal(L, -1, HOST);
    lua_pop(L, 1);
    if (known) {
        *to = socket->known;
        address_set_port(to, port);
        return true;
    }
    const char *host = lua_tostring(L, HOST);
    if (strlen(host) != lua_rawlen(L, HOST) || !address_parse(to, host, port)) return false;
    if (socket->family == AF_INET6) address_map(to);
    return true;
}

static int fail_to_send(lua_State *L, const Datagram *socket, const Call *call, int status) {
    if (!call->addressed) return fail(L, socket, call, status);
    address_push_endpoint(L, lua_tostring(L, HOST), (int)lua_tointeger(L, PORT));
    handle_push_name(L, &socket->handle);
    return error_push(L, status, "%s %s from %s", call->verb, lua_tostring(L, -2),
                      lua_tostring(L, -1));
}

/* [self, data, (host, port)] */
static int send_datagram(lua_State *L, const Call *call) {
    Datagram *socket = lua_touserdata(L, SELF);
    Address to;
    size_t size;
    const char *data = lua_tolstring(L, DATA, &size);
    if (!socket->handle.open) return fail(L, socket, call, ARSENAL_CLOSED);
    if (call->addressed) parse_destination(L, socket, &to);
    if (task_spent(socket->handle.loop))
        return task_pause(L, socket->handle.loop->running, &call->wait, socket);
    ptrdiff_t sent = socket_send(socket->poller.fd, data, size, call->addressed ? &to : NULL);
    if (sent == UV_EAGAIN) {
        exhausted(socket, POLL_WRITE);
        return wait_for(L, socket, call, POLL_WRITE, socket->send_timeout);
    }
    if (sent < 0) return fail_to_send(L, socket, call, (int)sent);
    socket->sent++;
    lua_pushinteger(L, sent);
    return 1;
}

static int go_on_sending(lua_State *L) {
    Datagram *socket = lua_touserdata(L, SELF);
    Task *task = socket->handle.loop->running;
    const Call *call = (const Call *)task->kind;
    if (task->status != 0) return fail(L, socket, call, task->status);
    return send_datagram(L, call);
}

#define SENDING \
    { go_on_sending, NULL, describe_wait }

static const Call send_call = {SENDING, "send", false, false};
static const Call send_to_call = {SENDING, "send_to", true, false};

/* socket:send(data) to the other end of a connected socket; the count of bytes. */
static int send_method(lua_State *L) {
    Datagram *socket = datagram_check(L, SELF);
    luaL_checkstring(L, DATA);
    lua_settop(L, DATA);
    if (task_enter(L, socket->handle.loop) == NULL) return run_outside(L);
    return send_datagram(L, &send_call);
}

static int return_all(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    return lua_gettop(L);
}

/* A name is looked up by a function of udp.lua, which calls send_to with what it finds. */
static int send_to_name(lua_State *L, const Datagram *socket) {
    public_push_registered(L, "send_to_name");
    lua_insert(L, SELF);
    lua_pushstring(L, socket->family == AF_INET ? "inet" : NULL); /* which names are of use */
    lua_callk(L, PORT + 1, LUA_MULTRET, 0, return_all);
    return return_all(L, LUA_OK, 0);
}

/* socket:send_to(data, host, port) the count of bytes. A name is looked up each time. */
static int send_to(lua_State *L) {
    Datagram *socket = datagram_check(L, SELF);
    Address to;
    luaL_checkstring(L, DATA);
    luaL_checktype(L, HOST, LUA_TSTRING);
    args_integer(L, PORT, 0, 65535);
    lua_settop(L, PORT);
    if (task_enter(L, socket->handle.loop) == NULL) return run_outside(L);
    if (!parse_destination(L, socket, &to)) return send_to_name(L, socket);
    return send_datagram(L, &send_to_call);
}

/* --- the methods that never wait --- */

/* socket:set_timeout(seconds) limits each later call that waits; {recv = , send = }: one direction. */
static int set_timeout(lua_State *L) {
    Datagram *socket = datagram_check(L, SELF);
    args_timeouts(L, 2, &socket->recv_timeout, &socket->send_timeout);
    if (!socket->handle.open) return handle_fail(L, &socket->handle, "set_timeout", ARSENAL_CLOSED);
    lua_pushboolean(L, true);
    return 1;
}

static int tell_end(lua_State *L, End end, const char *verb) {
    Datagram *socket = datagram_check(L, SELF);
    int results = ARSENAL_CLOSED;
    if (socket->handle.open) results = socket_name_push(L, socket->poller.fd, end);
    return results > 0 ? results : handle_fail(L, &socket->handle, verb, results);
}

/* socket:local_address() host, port */
static int local_address(lua_State *L) {
    return tell_end(L, END_LOCAL, "local_address");
}

/* socket:remote_address() host, port of a connected socket; else "ENOTCONN" */
static int remote_address(lua_State *L) {
    return tell_end(L, END_REMOTE, "remote_address");
}

/* socket:fd() the descriptor, which stays the socket's. */
static int fd(lua_State *L) {
    Datagram *socket = datagram_check(L, SELF);
    if (!socket->handle.open) return handle_fail(L, &socket->handle, "fd", ARSENAL_CLOSED);
    lua_pushinteger(L, socket->poller.fd);
    return 1;
}

static void set_count(lua_State *L, const char *name, uint64_t count) {
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

/*
** socket:stats() a table with the datagrams `received` from the kernel, `sent`,
** and `dropped` where the kernel's queue was full (on Linux).
*/
static int stats(lua_State *L) {
    Datagram *socket = datagram_check(L, SELF);
    uint64_t dropped = socket->dropped;
    if (socket->handle.open) dropped += socket_dropped(socket->poller.fd);
    lua_createtable(L, 0, 3);
    set_count(L, "received", socket->received);
    set_count(L, "sent", socket->sent);
    set_count(L, "dropped", dropped);
    return 1;
}

static const luaL_Reg methods[] = {
    {"recv", recv_method},
    {"recv_from", recv_from},
    {"send", send_method},
    {"send_to", send_to},
    {"set_timeout", set_timeout},
    {"local_address", local_address},
    {"remote_address", remote_address},
    {"fd", fd},
    {"stats", stats},
    {NULL, NULL},
};

void datagram_open(lua_State *L) {
    luaL_newlibtable(L, methods);
    luaL_setfuncs(L, methods, 0);
    handle_define(L, &datagram_type);
    lua_setfield(L, -2, "datagram_methods");
}
