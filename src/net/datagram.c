/*
** Owns datagram sockets: the calls that receive and send. Any number of tasks may
** receive; each datagram goes to one.
*/
#include "net/datagram.h"

#include "base/error.h"
#include "event/run.h"
#include "kernel/public.h"
#include "system/socket.h"
#include "system/socket_name.h"

#include <string.h>

/* The stack of a call that sends. */
enum { SELF = DATAGRAM_SELF, DATA, HOST, PORT };

static DatagramSocket *datagram_of(Handle *handle) {
    return container_of(handle, DatagramSocket, socket.handle);
}

static void datagram_describe(lua_State *L, const Handle *handle) {
    int fd = datagram_of((Handle *)handle)->socket.poller.fd;
    UnixAddress name;
    socket_name_push_text(L, fd, END_LOCAL);
    if (socket_remote_unix(fd, &name) != 0) return; /* it is not connected */
    lua_pushliteral(L, " -> ");
    socket_name_push_text(L, fd, END_REMOTE);
    lua_concat(L, 3);
}

static void datagram_close(Handle *handle) {
    DatagramSocket *udp = datagram_of(handle);
    int fd = socket_handle_release(&udp->socket);
    waiter_leave(&udp->sender);
    buffer_free(&udp->queue);
    if (udp->file != NULL) unix_socket_file_remove(udp->file);
    udp->file = NULL;
    udp->dropped += socket_dropped(fd);
    socket_close(fd);
}

static int datagram_attempt(lua_State *L);

static int datagram_watch(void *object, Waiter *waiter) {
    return poller_wait(&((DatagramSocket *)object)->socket.poller, waiter, POLL_READ);
}

static const Selectable datagram_selectable = {datagram_attempt, datagram_watch, NULL, NULL};

#define DATAGRAM_TYPE(name, class, kind) \
    { name, class, kind, datagram_close, datagram_describe, &datagram_selectable }

const HandleType datagram_types[DATAGRAM_TYPES] = {
    [DATAGRAM_UDP] = DATAGRAM_TYPE("udp socket", "datagram socket", KIND_DATAGRAM),
    [DATAGRAM_UNIX] =
        DATAGRAM_TYPE("unix datagram socket", "unix datagram socket", KIND_UNIX_DATAGRAM),
};

DatagramSocket *datagram_new(lua_State *L, const DatagramKind *kind, int family) {
    DatagramSocket *udp = socket_handle_new(L, &datagram_types[kind->type], sizeof *udp, 1);
    udp->kind = kind;
    udp->family = family;
    return udp;
}

void datagram_adopt(DatagramSocket *udp, int fd) {
    socket_handle_adopt(&udp->socket, fd);
}

/* --- what the four calls have in common --- */

static const DatagramCall *datagram_call_of(const Task *task) {
    return container_of(task->kind, DatagramCall, wait);
}

int datagram_fail(lua_State *L, const DatagramSocket *udp, const DatagramCall *call, int status) {
    return handle_fail(L, &udp->socket.handle, call->verb, status);
}

static void datagram_describe_wait(lua_State *L, Task *task) {
    const char *doing = lua_pushfstring(L, "%s on", datagram_call_of(task)->verb);
    handle_describe_wait(L, task->object, doing);
    lua_remove(L, -2);
}

static int datagram_wait(lua_State *L, DatagramSocket *udp, const DatagramCall *call,
                         unsigned events, uint64_t limit) {
    Task *task = udp->socket.handle.loop->running;
    task_set_timeout(task, limit);
    int status = poller_wait(&udp->socket.poller, &task->waiter, events);
    if (status != 0) return datagram_fail(L, udp, call, status);
    return task_wait(L, task, &call->wait, udp);
}

/* --- receiving --- */

int datagram_refuse_oversized(lua_State *L, const DatagramSocket *udp, const DatagramCall *call,
                              size_t size, size_t most) {
    const char *reason = lua_pushfstring(L, "the datagram has %I bytes, and the limit is %I",
                                         (LUAI_UACINT)size, (LUAI_UACINT)most);
    return handle_fail_reason(L, &udp->socket.handle, call->verb, ARSENAL_TOOLONG, reason);
}

static int recv_now_or_wait(lua_State *L, const DatagramCall *call) {
    DatagramSocket *udp = lua_touserdata(L, SELF);
    Loop *loop = udp->socket.handle.loop;
    if (!udp->socket.handle.open) return datagram_fail(L, udp, call, ARSENAL_CLOSED);
    for (;;) {
        bool is_kept = buffer_length(&udp->queue) > 0;
        if (!is_kept && !(udp->socket.poller.ready & POLL_READ)) {
            if (call->never_waits) return 0;
            return datagram_wait(L, udp, call, POLL_READ, udp->socket.recv_timeout);
        }
        if (!is_kept && !call->never_waits && task_spent(loop))
            return task_pause(L, loop->running, &call->wait, udp);
        int results = udp->kind->receive(L, udp, call);
        if (results > 0) return results;
    }
}

static int recv_step(lua_State *L, Task *task) {
    const DatagramSocket *udp = lua_touserdata(L, SELF);
    const DatagramCall *call = datagram_call_of(task);
    if (task->status != 0) return datagram_fail(L, udp, call, task->status);
    return recv_now_or_wait(L, call);
}

#define RECEIVING \
    { recv_step, NULL, datagram_describe_wait }

static const DatagramCall recv_call = {RECEIVING, "recv", false, false};
static const DatagramCall recv_from_call = {RECEIVING, "recv_from", true, false};
static const DatagramCall attempt_call = {RECEIVING, "recv_from", true, true};

static int datagram_attempt(lua_State *L) {
    const DatagramSocket *udp = datagram_check(L, SELF);
    lua_settop(L, SELF);
    lua_pushinteger(L, (lua_Integer)udp->kind->most);
    return recv_now_or_wait(L, &attempt_call);
}

static int recv_begin(lua_State *L, const DatagramCall *call) {
    const DatagramSocket *udp = datagram_check(L, SELF);
    lua_Integer most =
        args_optional_integer(L, DATAGRAM_MOST, 1, LUA_MAXINTEGER, (lua_Integer)udp->kind->most);
    lua_settop(L, SELF);
    lua_pushinteger(L, most);
    Task *task = task_enter(L, udp->socket.handle.loop);
    return task == NULL ? run_outside(L) : recv_now_or_wait(L, call);
}

/* socket:recv([max]) the next datagram; see recv_from. */
static int recv_method(lua_State *L) {
    return recv_begin(L, &recv_call);
}

/*
** socket:recv_from([max]) the next datagram, and the host and port that it came
** from. For one of more than `max` bytes: nil, message, "TOOLONG", its first
** `max` bytes, host, port; its other bytes are lost.
*/
static int recv_from_method(lua_State *L) {
    return recv_begin(L, &recv_from_call);
}

/* --- sending --- */

/* The address of HOST and PORT; false if HOST is not numeric. */
static bool send_parse_destination(lua_State *L, const DatagramSocket *udp, Address *to) {
    int port = (int)lua_tointeger(L, PORT);
    bool is_known = lua_getiuservalue(L, SELF, 1) == LUA_TSTRING && lua_rawequal(L, -1, HOST);
    lua_pop(L, 1);
    if (is_known) {
        *to = udp->known;
        address_set_port(to, port);
        return true;
    }
    const char *host = lua_tostring(L, HOST);
    if (strlen(host) != lua_rawlen(L, HOST) || !address_parse(to, host, port)) return false;
    if (udp->family == AF_INET6) address_map(to);
    return true;
}

static int send_fail(lua_State *L, const DatagramSocket *udp, const DatagramCall *call,
                     int status) {
    if (!call->addressed) return datagram_fail(L, udp, call, status);
    address_push_endpoint(L, lua_tostring(L, HOST), (int)lua_tointeger(L, PORT));
    handle_push_name(L, &udp->socket.handle);
    error_push(L, status, "%s %s from %s", call->verb, lua_tostring(L, -2), lua_tostring(L, -1));
    return handle_set_failed(L, &udp->socket.handle);
}

/* [self, data, (host, port)] */
static int send_now_or_wait(lua_State *L, const DatagramCall *call) {
    DatagramSocket *udp = lua_touserdata(L, SELF);
    Loop *loop = udp->socket.handle.loop;
    Address to;
    size_t size;
    const char *data = lua_tolstring(L, DATA, &size);
    if (!udp->socket.handle.open) return datagram_fail(L, udp, call, ARSENAL_CLOSED);
    if (call->addressed) send_parse_destination(L, udp, &to);
    if (task_spent(loop)) return task_pause(L, loop->running, &call->wait, udp);
    ptrdiff_t sent = socket_send(udp->socket.poller.fd, data, size, call->addressed ? &to : NULL);
    if (sent == UV_EAGAIN) {
        datagram_exhausted(udp, POLL_WRITE);
        return datagram_wait(L, udp, call, POLL_WRITE, udp->socket.send_timeout);
    }
    if (sent < 0) return send_fail(L, udp, call, (int)sent);
    udp->sent++;
    lua_pushinteger(L, sent);
    return 1;
}

static int send_step(lua_State *L, Task *task) {
    const DatagramSocket *udp = lua_touserdata(L, SELF);
    const DatagramCall *call = datagram_call_of(task);
    if (task->status != 0) return datagram_fail(L, udp, call, task->status);
    return send_now_or_wait(L, call);
}

#define SENDING \
    { send_step, NULL, datagram_describe_wait }

static const DatagramCall send_call = {SENDING, "send", false, false};
static const DatagramCall send_to_call = {SENDING, "send_to", true, false};

/* socket:send(data) to the other end of a connected socket; the count of bytes. */
static int send_method(lua_State *L) {
    const DatagramSocket *udp = datagram_check(L, SELF);
    luaL_checkstring(L, DATA);
    lua_settop(L, DATA);
    if (task_enter(L, udp->socket.handle.loop) == NULL) return run_outside(L);
    return send_now_or_wait(L, &send_call);
}

static int send_return_all(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    return lua_gettop(L);
}

/* A name is looked up by a function of udp.lua, which calls send_to with the address. */
static int send_to_name(lua_State *L, const DatagramSocket *udp) {
    public_push_registered(L, "send_to_name");
    lua_insert(L, SELF);
    lua_pushstring(L, udp->family == AF_INET ? "inet" : NULL); /* the addresses of use */
    lua_callk(L, PORT + 1, LUA_MULTRET, 0, send_return_all);
    return send_return_all(L, LUA_OK, 0);
}

/* socket:send_to(data, host, port) the count of bytes. A name is looked up each time. */
static int send_to_method(lua_State *L) {
    const DatagramSocket *udp = datagram_check_type(L, SELF, DATAGRAM_UDP);
    Address to;
    luaL_checkstring(L, DATA);
    luaL_checktype(L, HOST, LUA_TSTRING);
    args_integer(L, PORT, 0, 65535);
    lua_settop(L, PORT);
    if (task_enter(L, udp->socket.handle.loop) == NULL) return run_outside(L);
    if (!send_parse_destination(L, udp, &to)) return send_to_name(L, udp);
    return send_now_or_wait(L, &send_to_call);
}

/*
** socket:stats() a table with the datagrams `received` from the kernel, `sent`,
** and `dropped` because the kernel's queue was full (on Linux).
*/
static int datagram_stats(lua_State *L) {
    const DatagramSocket *udp = datagram_check(L, SELF);
    uint64_t dropped = udp->dropped;
    if (udp->socket.handle.open) dropped += socket_dropped(udp->socket.poller.fd);
    lua_createtable(L, 0, 3);
    socket_handle_set_count(L, "received", udp->received);
    socket_handle_set_count(L, "sent", udp->sent);
    socket_handle_set_count(L, "dropped", dropped);
    return 1;
}

static const luaL_Reg methods[] = {
    {"recv", recv_method}, {"recv_from", recv_from_method},
    {"send", send_method}, {"stats", datagram_stats},
    {NULL, NULL},
};

static const luaL_Reg udp_methods[] = {
    {"send_to", send_to_method},
    {NULL, NULL},
};

static const luaL_Reg socket_methods[] = {
    {"set_timeout", socket_handle_set_timeout},
    {"local_address", socket_handle_local_address},
    {"remote_address", socket_handle_remote_address},
    {"fd", socket_handle_fd},
    {NULL, NULL},
};

/* [-0, +1] a table of the methods that both types have, which is that of the type's objects. */
static void datagram_define(lua_State *L, int type) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    socket_handle_set_methods(L, socket_methods, &datagram_types[type], 1);
    handle_define(L, &datagram_types[type]);
}

void datagram_open(lua_State *L) {
    datagram_define(L, DATAGRAM_UDP);
    luaL_setfuncs(L, udp_methods, 0);
    lua_setfield(L, -2, "datagram_methods");
    datagram_define(L, DATAGRAM_UNIX);
    lua_setfield(L, -2, "unix_datagram_methods");
}
