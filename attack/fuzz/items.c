/*
** Fuzzes the methods of a stream that take items from what has arrived. A task
** calls them on a stream over a transport in memory, which returns bytes in pieces
** of any sizes, wants to wait in between, and ends or fails at last. While the task
** waits, it may be woken, its time may run out, or it may be cancelled. The results
** are compared with a search in all the bytes there are; no byte may get lost.
*/
#define _GNU_SOURCE /* memmem */
#include "input.h"

#include "base/error.h"
#include "event/turn.h"
#include "kernel/scope.h"
#include "stream/stream.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA_MOST = 300000, UNREAD_MOST = 1 << 14 };

typedef enum Kind { RECV, EXACTLY, PEEK, LINE, UNTIL, ALL, UNREAD, KINDS } Kind;

static const char *const methods[KINDS] = {"recv",       "recv_exactly", "peek",  "recv_line",
                                           "recv_until", "recv_all",     "unread"};

/* The call that is being made. */
typedef struct Call {
    Kind kind;
    size_t size; /* or max */
    bool keep;
    char delimiter[4];
    size_t delimiter_size;
    bool pending, timed_out;
} Call;

static lua_State *L;
static Loop *loop;
static Stream *stream;
static int sockets[2]; /* the stream's descriptor is a copy of one of these */

static Input control;         /* decides what happens next */
static char bytes[DATA_MOST]; /* what the stream is going to return, from `next` to `end` */
static size_t next, end;
static size_t arrived;    /* of these, what the transport has returned already */
static uint64_t has_read; /* by the transport, in all */
static int end_status;    /* 0, or how reading fails at last */
static bool has_ended;    /* the transport has returned that */
static Call call;

/* --- the transport --- */

static ptrdiff_t memory_read(void *state, int fd, char *data, size_t size) {
    (void)state, (void)fd;
    fuzz_require(size > 0 && !has_ended);
    size_t rest = end - next - arrived, most = rest < size ? rest : size;
    uint8_t decision = control.size > 0 ? input_byte(&control) : 255;
    if (decision == 0) return TRANSPORT_WANTS_READ;
    if (decision == 1) return TRANSPORT_WANTS_WRITE;
    if (decision == 2) return TRANSPORT_AGAIN;
    if (rest == 0) {
        has_ended = true;
        return end_status;
    }
    size_t piece = decision < 200 ? decision - 2u : (decision - 199u) << 12;
    if (piece < most && decision < 255) most = piece;
    memcpy(data, bytes + next + arrived, most);
    arrived += most;
    has_read += most;
    return (ptrdiff_t)most;
}

static ptrdiff_t memory_end(void *state, int fd) {
    (void)state, (void)fd;
    return 0;
}

static void memory_close(void *state, int fd, bool clean) {
    (void)state, (void)clean;
    close(fd);
}

/* Two kinds: what a short read says, as the plain transport, and as TLS. */
static const Transport memory[2] = {
    {.read = memory_read, .end = memory_end, .close = memory_close, .short_is_empty = true},
    {.read = memory_read, .end = memory_end, .close = memory_close},
};

/* --- what is expected --- */

/* Looks for the first delimiter in `size` bytes: false, or how long the item and its delimiter are. */
static bool find_in_all(size_t size, size_t *length, size_t *mark) {
    const char *data = bytes + next, *needle = call.kind == LINE ? "\n" : call.delimiter;
    size_t needle_size = call.kind == LINE ? 1 : call.delimiter_size;
    const char *place = memmem(data, size, needle, needle_size);
    if (place == NULL) return false;
    if (call.kind == LINE && place > data && place[-1] == '\r') {
        place--;
        needle_size++;
    }
    *length = (size_t)(place - data);
    *mark = needle_size;
    return true;
}

/* Whether an item without a delimiter in its `size` bytes is too long, whatever follows. */
static bool is_too_long(size_t size) {
    size_t sure = size;
    if (call.kind == UNTIL)
        sure = size < call.delimiter_size ? 0 : size - call.delimiter_size + 1;
    else if (call.kind == LINE && size > 0 && bytes[next + size - 1] == '\r')
        sure = size - 1;
    return sure > call.size;
}

/* Whether the bytes that have arrived decide the call, which then neither waits nor fails. */
static bool is_decided(void) {
    size_t length, mark;
    switch (call.kind) {
    case RECV:
        return arrived > 0;
    case EXACTLY:
    case PEEK:
        return arrived >= call.size;
    case ALL:
        return arrived > call.size;
    default:
        return find_in_all(arrived, &length, &mark) || is_too_long(arrived);
    }
}

static void consume(size_t size) {
    next += size;
    arrived -= size;
}

/* The call has returned these bytes. */
static void check_success(const char *result, size_t size) {
    size_t length, mark, taken = size;
    switch (call.kind) {
    case RECV:
        fuzz_require(size > 0 && size == (call.size < arrived ? call.size : arrived));
        break;
    case EXACTLY:
    case PEEK:
        fuzz_require(size == call.size);
        if (call.kind == PEEK) taken = 0;
        break;
    case ALL:
        fuzz_require(has_ended && end_status == 0 && size == end - next && size <= call.size);
        break;
    default:
        fuzz_require(find_in_all(end - next, &length, &mark) && length <= call.size);
        fuzz_require(size == length + (call.keep ? mark : 0));
        taken = length + mark;
    }
    fuzz_require(taken <= arrived && size <= arrived);
    fuzz_require(memcmp(result, bytes + next, size) == 0);
    consume(taken);
}

/* The stream has ended, and has returned what was left, if anything was. */
static void check_end(int results) {
    size_t size;
    fuzz_require(has_ended && end_status == 0 && arrived == end - next && !is_decided());
    if (results == 1) {
        fuzz_require(arrived == 0 && call.kind != ALL);
        return;
    }
    const char *rest = lua_tolstring(L, 4, &size);
    fuzz_require(results == 4 && size == arrived && size > 0);
    fuzz_require(memcmp(rest, bytes + next, size) == 0);
    if (call.kind != PEEK) consume(size);
}

static void check_failure(const char *code) {
    size_t length, mark;
    if (strcmp(code, "TOOLONG") == 0) {
        if (call.kind != ALL)
            fuzz_require(!find_in_all(end - next, &length, &mark) || length > call.size);
        fuzz_require(is_decided() && call.kind >= LINE);
    } else if (strcmp(code, "TIMEOUT") == 0) {
        fuzz_require(call.timed_out && !is_decided());
    } else {
        fuzz_require(strcmp(code, "ECONNRESET") == 0);
        fuzz_require(has_ended && end_status == UV_ECONNRESET && !is_decided());
    }
}

/* The stream has exactly what has arrived and was not returned. */
static void check_input(void) {
    fuzz_require(buffer_length(&stream->input) == arrived);
    fuzz_require(memcmp(buffer_data(&stream->input), bytes + next, arrived) == 0);
    fuzz_require(stream->receiver == NULL && stream->received == has_read);
}

/* For Lua: done(results...) of the call. */
static int check_results(lua_State *state) {
    size_t size;
    int results = lua_gettop(state);
    lua_State *main = L;
    L = state;
    fuzz_require(call.pending);
    call.pending = false;
    if (call.kind == UNREAD)
        fuzz_require(lua_toboolean(L, 1));
    else if (lua_type(L, 1) == LUA_TSTRING)
        check_success(lua_tolstring(L, 1, &size), lua_rawlen(L, 1));
    else if (results == 1 || strcmp(lua_tostring(L, 3), "EOF") == 0)
        check_end(results);
    else
        check_failure(lua_tostring(L, 3));
    check_input();
    L = main;
    return 0;
}

/* --- the calls --- */

/* [-0, +1] puts bytes back, which the model has in front then. */
static void push_unread(lua_State *state) {
    Input part = input_part(&control, input_byte(&control) % 64);
    if (part.size > next) part.size = next;
    lua_pushlstring(state, (const char *)part.data, part.size);
    next -= part.size;
    arrived += part.size;
    memcpy(bytes + next, part.data, part.size);
}

/* [-0, +1] {max =, keep =} */
static void push_call_options(lua_State *state) {
    call.keep = input_byte(&control) % 2 == 1;
    lua_createtable(state, 0, 2);
    lua_pushboolean(state, call.keep);
    lua_setfield(state, -2, "keep");
    lua_pushinteger(state, (lua_Integer)call.size);
    lua_setfield(state, -2, "max");
}

/* [-0, +1] */
static void push_delimiter(lua_State *state) {
    Input part = input_part(&control, 1 + input_byte(&control) % sizeof call.delimiter);
    memcpy(call.delimiter, part.data, part.size);
    call.delimiter_size = part.size > 0 ? part.size : 1;
    lua_pushlstring(state, call.delimiter, call.delimiter_size);
}

/* For Lua: the next call's method and arguments; nothing after the last. */
static int next_call(lua_State *state) {
    if (control.size == 0) return 0;
    call = (Call){.kind = input_byte(&control) % KINDS, .pending = true};
    lua_settop(state, 0);
    lua_getfield(state, lua_upvalueindex(1), methods[call.kind]);
    lua_pushvalue(state, lua_upvalueindex(1));
    if (call.kind == UNREAD) {
        push_unread(state);
        return lua_gettop(state);
    }
    call.size = input_size(&control);
    if (call.size == 0 && (call.kind == RECV || call.kind == PEEK)) call.size = 1;
    if (call.kind == UNTIL) push_delimiter(state);
    if (call.kind == LINE || call.kind == UNTIL)
        push_call_options(state);
    else
        lua_pushinteger(state, (lua_Integer)call.size);
    return lua_gettop(state);
}

static const char program[] =
    "local go, next_call, done = ...\n"
    "local function make(method, ...)\n"
    "  if not method then return false end\n"
    "  done(method(...))\n"
    "  return true\n"
    "end\n"
    "return function() go(function() repeat until not make(next_call()) end) end\n";

/* --- the task --- */

/* The task waits: it is woken, times out or is cancelled. */
static void end_wait(Waiter *waiter) {
    uint8_t decision = control.size > 0 ? input_byte(&control) : 255;
    if (decision == 0) {
        call.timed_out = true;
        waiter_wake(waiter, ARSENAL_TIMEOUT);
    } else if (decision == 1) {
        call.pending = false;
        scope_cancel(&waiter->task->root);
    } else {
        poller_happened(&stream->socket.poller, POLL_READ | POLL_WRITE);
    }
}

/* Runs a task that makes calls until it ends. */
static void run_task(void) {
    lua_pushvalue(L, -1);
    fuzz_require(lua_pcall(L, 0, 0, 0) == LUA_OK);
    while (loop->tasks > 0) {
        turn_once(L, loop, 0);
        Waiter *waiter = wait_queue_first(&stream->socket.poller.waiters);
        if (waiter != NULL) end_wait(waiter);
    }
    fuzz_require(!call.pending); /* it raised no error */
    check_input();
}

/* [-0, +1] the program's function for a new stream */
static void push_program(int transport) {
    lua_getfield(L, 1, "go");
    stream = stream_new(L, STREAM_UNIX);
    stream_adopt(stream, dup(sockets[0]), &(Address){0});
    stream->transport = &memory[transport];
    lua_pushvalue(L, -1);
    lua_replace(L, 3);
    lua_pushcclosure(L, next_call, 1);
    lua_pushcfunction(L, check_results);
    lua_pushvalue(L, 2);
    lua_insert(L, -4);
    lua_call(L, 3, 1);
}

/* The bytes that will come: those of the input, perhaps many times, for what is read in large pieces. */
static void fill(const Input *data, size_t copies) {
    next = end = UNREAD_MOST;
    arrived = 0;
    has_read = 0;
    for (; data->size > 0 && copies > 0 && end + data->size <= DATA_MOST; copies--) {
        memcpy(bytes + end, data->data, data->size);
        end += data->size;
    }
}

static void start(void) {
    L = luaL_newstate();
    luaL_openlibs(L);
    int luaopen_arsenal_core(lua_State *);
    luaL_requiref(L, "arsenal.core", luaopen_arsenal_core, 0);
    fuzz_require(luaL_loadstring(L, program) == LUA_OK);
    lua_pushnil(L); /* 3: the stream */
    loop = loop_of(L);
    fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Input input = {data, size};
    if (L == NULL) start();
    uint8_t shape = input_byte(&input);
    control = input_part(&input, input_size(&input));
    fill(&input, shape < 254 ? 1 : DATA_MOST);
    end_status = shape % 4 == 3 ? UV_ECONNRESET : 0;
    has_ended = false;
    push_program(shape / 4 % 2);
    do {
        run_task();
    } while (control.size > 0);
    lua_getfield(L, 3, "close");
    lua_pushvalue(L, 3);
    fuzz_require(lua_pcall(L, 1, 0, 0) == LUA_OK);
    lua_settop(L, 3);
    return 0;
}
