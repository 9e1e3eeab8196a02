/*
** Owns receiving: every call takes one item from the front of what has come
** in, and waits until the item is whole.
*/
#include "stream/stream.h"

#include "base/error.h"
#include "event/run.h"

#include <string.h>

enum { DEFAULT_ITEM = READ_SIZE, DEFAULT_ALL = 64 * 1024 * 1024 };

/* The stack of each call, once its arguments are checked. */
enum { SELF = 1, SIZE, LIMIT = 2, KEEP, DELIMITER };

/* What a search answers when the item is not whole. */
enum { NOT_YET = -1, TOO_LONG = -2 };

typedef struct Item {
    WaitKind wait;
    /*
    ** Finds the item at the front of the bytes: returns its length and how many
    ** bytes go with it, or one of the answers above.
    */
    ptrdiff_t (*find)(lua_State *L, Stream *stream, const char *data, size_t size, size_t *taken);
    const char *verb;
    bool takes_rest; /* at the end of stream: what is there is the item, even if it is nothing */
    bool only_looks; /* leaves the bytes where they are */
    bool raises;     /* failures, as error objects */
    bool never_waits;
} Item;

static const Item some_item, chunk_item, exact_item, all_item;

/* --- the search for each kind of item --- */

static ptrdiff_t find_some(lua_State *L, Stream *stream, const char *data, size_t size,
                           size_t *taken) {
    (void)stream, (void)data;
    size_t most = (size_t)lua_tointeger(L, SIZE);
    return (ptrdiff_t)(*taken = size < most ? size : most);
}

static ptrdiff_t find_default(lua_State *L, Stream *stream, const char *data, size_t size,
                              size_t *taken) {
    (void)L, (void)stream, (void)data;
    return (ptrdiff_t)(*taken = size < DEFAULT_ITEM ? size : DEFAULT_ITEM);
}

static ptrdiff_t find_chunk(lua_State *L, Stream *stream, const char *data, size_t size,
                            size_t *taken) {
    (void)L, (void)stream, (void)data;
    return (ptrdiff_t)(*taken = size < SCRATCH_SIZE ? size : SCRATCH_SIZE);
}

static ptrdiff_t find_exact(lua_State *L, Stream *stream, const char *data, size_t size,
                            size_t *taken) {
    (void)stream, (void)data;
    size_t wanted = (size_t)lua_tointeger(L, SIZE);
    if (size < wanted) return NOT_YET;
    return (ptrdiff_t)(*taken = wanted);
}

/* An item of `length` bytes and then a delimiter of `size` has been found. */
static ptrdiff_t end_item(lua_State *L, size_t length, size_t size, size_t *taken) {
    if (length > (size_t)lua_tointeger(L, LIMIT)) return TOO_LONG;
    *taken = length + size;
    return (ptrdiff_t)(lua_toboolean(L, KEEP) ? *taken : length);
}

static ptrdiff_t find_delimited(lua_State *L, Stream *stream, const char *data, size_t size,
                                size_t *taken) {
    size_t needle_size;
    const char *needle = lua_tolstring(L, DELIMITER, &needle_size);
    size_t from = stream->searched;
    size_t place = from + buffer_find(data + from, size - from, needle, needle_size);
    if (place < size) return end_item(L, place, needle_size, taken);
    stream->searched = buffer_unsearched(size, needle_size);
    return stream->searched > (size_t)lua_tointeger(L, LIMIT) ? TOO_LONG : NOT_YET;
}

static ptrdiff_t find_line(lua_State *L, Stream *stream, const char *data, size_t size,
                           size_t *taken) {
    size_t from = stream->searched;
    const char *end = memchr(data + from, '\n', size - from);
    if (end != NULL) {
        size_t place = (size_t)(end - data);
        bool has_return = place > 0 && data[place - 1] == '\r';
        return end_item(L, place - has_return, 1u + has_return, taken);
    }
    stream->searched = size;
    size_t certain = size - (size > 0 && data[size - 1] == '\r'); /* it may belong to the end */
    return certain > (size_t)lua_tointeger(L, LIMIT) ? TOO_LONG : NOT_YET;
}

static ptrdiff_t find_all(lua_State *L, Stream *stream, const char *data, size_t size,
                          size_t *taken) {
    (void)stream, (void)data, (void)taken;
    return size > (size_t)lua_tointeger(L, LIMIT) ? TOO_LONG : NOT_YET;
}

/* --- how a call ends --- */

static int fail(lua_State *L, Stream *stream, const Item *item, int status) {
    stream_fail(L, stream, item->verb, status);
    return item->raises ? error_raise_object(L) : 3;
}

static int deliver(lua_State *L, Stream *stream, const char *data, size_t length, size_t taken) {
    lua_pushlstring(L, data, length);
    buffer_drop(&stream->input, taken);
    stream->searched = 0;
    return 1;
}

static int reached_end(lua_State *L, Stream *stream, const Item *item) {
    size_t size = buffer_length(&stream->input);
    if (stream->read_end < 0) return fail(L, stream, item, stream->read_end);
    if (item->takes_rest) return deliver(L, stream, buffer_data(&stream->input), size, size);
    if (size == 0) {
        lua_pushnil(L);
        return 1;
    }
    fail(L, stream, item, ARSENAL_EOF);
    deliver(L, stream, buffer_data(&stream->input), size, item->only_looks ? 0 : size);
    return 4;
}

/* --- reading --- */

/* How much is worth asking for, and whether it goes to the stream's own memory at once. */
static size_t ask_for(lua_State *L, const Stream *stream, const Item *item, bool *at_once) {
    size_t have = buffer_length(&stream->input), ask = READ_SIZE;
    *at_once = false;
    if (item == &chunk_item) return SCRATCH_SIZE;
    if (item == &some_item) {
        size_t most = (size_t)lua_tointeger(L, SIZE);
        return most < SCRATCH_SIZE ? most : SCRATCH_SIZE;
    }
    if (item == &exact_item || item == &all_item) {
        size_t missing = item == &all_item ? have : (size_t)lua_tointeger(L, SIZE) - have;
        size_t most =
            have > ask ? have : ask; /* as much again as there is: memory grows with the data */
        *at_once = missing >= ask;
        if (*at_once) ask = missing < most ? missing : most;
    }
    return ask;
}

static bool has_emptied(const Stream *stream, ptrdiff_t count) {
    const Transport *transport = stream->transport;
    if (transport->is_empty == NULL) return transport->short_is_empty;
    return count > 0 && transport->is_empty(stream->state);
}

/* Reads once. Returns what the transport does; the bytes are at *data. */
static ptrdiff_t read_more(lua_State *L, Stream *stream, const Item *item, char **data,
                           bool *at_once) {
    size_t ask = ask_for(L, stream, item, at_once);
    *data = stream->socket.handle.loop->scratch;
    if (*at_once) *data = buffer_reserve(&stream->input, ask);
    if (*data == NULL) return UV_ENOMEM;
    ptrdiff_t count = stream->transport->read(stream->state, stream->socket.poller.fd, *data, ask);
    if (count == TRANSPORT_WANTS_READ || (count < (ptrdiff_t)ask && has_emptied(stream, count)))
        poller_exhausted(&stream->socket.poller, POLL_READ);
    if (count > 0) {
        stream->received += (size_t)count;
        stream->socket.handle.loop->budget -=
            (int)(count / READ_SIZE); /* it is worth several small ones */
    }
    return count;
}

/*
** What was read into the scratch buffer: an item at its front is delivered from
** there, and only the rest is copied. Returns the results, or 0 for no item yet.
*/
static int take_from_scratch(lua_State *L, Stream *stream, const Item *item, size_t size) {
    const char *data = stream->socket.handle.loop->scratch;
    size_t taken = 0;
    ptrdiff_t length = NOT_YET;
    if (buffer_length(&stream->input) == 0) length = item->find(L, stream, data, size, &taken);
    if (length >= 0) {
        lua_pushlstring(L, data, (size_t)length);
        stream->searched = 0;
        if (item->only_looks) taken = 0;
    }
    if (!buffer_append(&stream->input, data + taken, size - taken))
        return luaL_error(L, "not enough memory");
    if (length == TOO_LONG) return fail(L, stream, item, ARSENAL_TOOLONG);
    return length >= 0;
}

static int take_from_input(lua_State *L, Stream *stream, const Item *item) {
    size_t size = buffer_length(&stream->input), taken = 0;
    if (size == 0) return 0;
    const char *data = buffer_data(&stream->input);
    ptrdiff_t length = item->find(L, stream, data, size, &taken);
    if (length >= 0) return deliver(L, stream, data, (size_t)length, item->only_looks ? 0 : taken);
    return length == TOO_LONG ? fail(L, stream, item, ARSENAL_TOOLONG) : 0;
}

static int wait_for(lua_State *L, Stream *stream, const Item *item, ptrdiff_t wants) {
    Task *task = stream->socket.handle.loop->running;
    if (item->never_waits) {
        poller_exhausted(&stream->socket.poller,
                         wants == TRANSPORT_WANTS_READ ? POLL_READ : POLL_WRITE);
        return 0;
    }
    stream->receiver = task;
    return stream_wait(L, stream, task, &item->wait, wants, stream->socket.recv_timeout);
}

static int give_turn(lua_State *L, Stream *stream, const Item *item) {
    Task *task = stream->socket.handle.loop->running;
    stream->receiver = task;
    return task_pause(L, task, &item->wait, stream);
}

static int receive(lua_State *L, const Item *item) {
    Stream *stream = lua_touserdata(L, SELF);
    Loop *loop = stream->socket.handle.loop;
    if (!stream->socket.handle.open) return fail(L, stream, item, ARSENAL_CLOSED);
    if (!item->never_waits && task_spent(loop)) return give_turn(L, stream, item);
    int results = take_from_input(L, stream, item);
    while (results == 0) {
        char *data;
        bool at_once;
        if (stream->read_end != 0) return reached_end(L, stream, item);
        if (!(stream->socket.poller.ready & POLL_READ))
            return wait_for(L, stream, item, TRANSPORT_WANTS_READ);
        ptrdiff_t count = read_more(L, stream, item, &data, &at_once);
        if (count > 0 && at_once) {
            buffer_added(&stream->input, (size_t)count);
            results = take_from_input(L, stream, item);
        } else if (count > 0) {
            results = take_from_scratch(L, stream, item, (size_t)count);
            if (results == 0) results = take_from_input(L, stream, item);
        } else if (count == TRANSPORT_WANTS_READ || count == TRANSPORT_WANTS_WRITE) {
            return wait_for(L, stream, item, count);
        } else {
            stream->read_end = count == 0 ? 1 : (int)count;
        }
    }
    return results;
}

bool stream_probe(Stream *stream) {
    char *scratch = stream->socket.handle.loop->scratch;
    if (buffer_length(&stream->input) > 0) return true;
    if (stream->read_end != 0) return false;
    ptrdiff_t count =
        stream->transport->read(stream->state, stream->socket.poller.fd, scratch, READ_SIZE);
    if (count > 0) {
        stream->received += (size_t)count;
        if (!buffer_append(&stream->input, scratch, (size_t)count)) stream->read_end = UV_ENOMEM;
    } else if (count == TRANSPORT_WANTS_READ || count == TRANSPORT_WANTS_WRITE) {
        poller_exhausted(&stream->socket.poller, POLL_READ);
    } else {
        stream->read_end = count == 0 ? 1 : (int)count;
    }
    return stream->read_end == 0;
}

/* The task was woken: by the descriptor, a close, or its time being up. */
static int go_on(lua_State *L) {
    Stream *stream = lua_touserdata(L, SELF);
    Task *task = stream->socket.handle.loop->running;
    const Item *item = (const Item *)task->kind;
    stream->receiver = NULL;
    if (task->status != 0) return fail(L, stream, item, task->status);
    return receive(L, item);
}

static void forget(Task *task) {
    ((Stream *)task->object)->receiver = NULL;
}

static void describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "receiving on");
}

#define WAIT \
    { go_on, forget, describe }

static const Item some_item = {WAIT, find_some, "recv", false, false, false, false};
static const Item chunk_item = {WAIT, find_chunk, "recv", false, false, true, false};
static const Item exact_item = {WAIT, find_exact, "recv_exactly", false, false, false, false};
static const Item peek_item = {WAIT, find_exact, "peek", false, true, false, false};
static const Item line_item = {WAIT, find_line, "recv_line", false, false, false, false};
static const Item delimited_item = {WAIT, find_delimited, "recv_until", false, false, false, false};
static const Item all_item = {WAIT, find_all, "recv_all", true, false, false, false};

static const Item attempt_item = {WAIT, find_default, "recv", false, false, false, true};

/* --- the methods --- */

int stream_refuse_receiver(lua_State *L, const Stream *stream, const char *verb) {
    handle_push_name(L, &stream->socket.handle);
    lua_pushfstring(L, "%s: another task is already receiving on %s", verb, lua_tostring(L, -1));
    return error_push_reason(L, ARSENAL_BUSY, lua_tostring(L, -1));
}

static int receive_alone(lua_State *L, Stream *stream, const Item *item) {
    if (stream->receiver != NULL) {
        stream_refuse_receiver(L, stream, item->verb);
        return item->raises ? error_raise_object(L) : 3;
    }
    stream->searched = 0;
    return receive(L, item);
}

static int begin(lua_State *L, Stream *stream, const Item *item) {
    Task *task = task_enter(L, stream->socket.handle.loop);
    return task == NULL ? run_outside(L) : receive_alone(L, stream, item);
}

int stream_attempt(lua_State *L) {
    return receive_alone(L, stream_check(L, SELF), &attempt_item);
}

/* stream:recv([max]) some bytes, at most `max`, as soon as there are any; nil at the end of stream. */
static int recv_some(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    lua_Integer max = args_optional_integer(L, SIZE, 1, LUA_MAXINTEGER, DEFAULT_ITEM);
    lua_settop(L, SIZE);
    if (lua_isnil(L, SIZE)) {
        lua_pushinteger(L, max);
        lua_replace(L, SIZE);
    }
    return begin(L, stream, &some_item);
}

/* The iterator of stream:chunks(): its control variable is the last chunk, and not used. */
static int next_chunk(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    lua_settop(L, SELF);
    return begin(L, stream, &chunk_item);
}

/* for data in stream:chunks() do ... end: ends at the end of stream, raises an error object on failure. */
static int chunks(lua_State *L) {
    stream_check(L, SELF);
    lua_settop(L, SELF);
    lua_pushcfunction(L, next_chunk);
    lua_insert(L, SELF);
    return 2;
}

/* stream:recv_exactly(n) that many bytes. */
static int recv_exactly(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    args_integer(L, SIZE, 0, LUA_MAXINTEGER);
    lua_settop(L, SIZE);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    if (lua_tointeger(L, SIZE) == 0 && stream->socket.handle.open) {
        lua_pushliteral(L, "");
        return 1;
    }
    return begin(L, stream, &exact_item);
}

/* stream:peek(n) the next n bytes (at most 64 KiB), which stay in the stream. */
static int peek(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    args_integer(L, SIZE, 1, READ_SIZE);
    lua_settop(L, SIZE);
    return begin(L, stream, &peek_item);
}

static lua_Integer max_option(lua_State *L, int index) {
    return args_integer_option(L, index, "max", 0, LUA_MAXINTEGER, DEFAULT_ITEM);
}

static bool keep_option(lua_State *L, int index) {
    return args_boolean_option(L, index, "keep", false);
}

static void check_options(lua_State *L, int index) {
    static const char *const names[] = {"max", "keep", NULL};
    args_options(L, index, names);
    max_option(L, index);
    keep_option(L, index);
}

/* [self, (delimiter,) options] -> [self, max, keep, delimiter] */
static void normalize(lua_State *L, int index) {
    lua_pushinteger(L, max_option(L, index));
    lua_pushboolean(L, keep_option(L, index));
    lua_pushvalue(L, 2);
    lua_rotate(L, 2, 3);
    lua_settop(L, DELIMITER);
}

/*
** stream:recv_line([options]) a line without its "\n" or "\r\n". Options: `max`
** bytes (64 KiB), `keep` the line's end.
*/
static int recv_line(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    lua_settop(L, 2);
    check_options(L, 2);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    normalize(L, 2);
    return begin(L, stream, &line_item);
}

/*
** stream:recv_until(delimiter [, options]) what comes before the delimiter.
** Options as for recv_line.
*/
static int recv_until(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    luaL_checktype(L, 2, LUA_TSTRING);
    luaL_argcheck(L, lua_rawlen(L, 2) > 0, 2, "the delimiter is empty");
    lua_settop(L, 3);
    check_options(L, 3);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    normalize(L, 3);
    return begin(L, stream, &delimited_item);
}

/* stream:recv_all([max]) everything up to the end of stream; "TOOLONG" beyond `max` bytes (64 MiB). */
static int recv_all(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    lua_Integer max = args_optional_integer(L, LIMIT, 0, LUA_MAXINTEGER, DEFAULT_ALL);
    lua_settop(L, LIMIT);
    if (lua_isnil(L, LIMIT)) {
        lua_pushinteger(L, max);
        lua_replace(L, LIMIT);
    }
    return begin(L, stream, &all_item);
}

/* stream:unread(data) puts bytes back in front of what is received next. */
static int unread(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    size_t size;
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *data = lua_tolstring(L, 2, &size);
    if (!stream->socket.handle.open) return stream_fail(L, stream, "unread", ARSENAL_CLOSED);
    if (stream->receiver != NULL) return stream_fail(L, stream, "unread", ARSENAL_BUSY);
    if (!buffer_prepend(&stream->input, data, size)) return luaL_error(L, "not enough memory");
    lua_pushboolean(L, true);
    return 1;
}

/*
** stream_is_quiet(stream, look): whether it is as it was after an exchange that
** is over: open both ways, in nobody's use, and nothing has come, not even its
** end. Only with `look` the kernel is asked what has come.
*/
int stream_is_quiet(lua_State *L) {
    Stream *stream = stream_check(L, SELF);
    bool in_use = stream->receiver != NULL || stream->sender != NULL;
    bool quiet = stream->socket.handle.open && !stream->write_ended && !in_use;
    if (quiet && lua_toboolean(L, 2)) quiet = stream_probe(stream);
    lua_pushboolean(L, quiet && stream->read_end == 0 && buffer_length(&stream->input) == 0);
    return 1;
}

const luaL_Reg receive_methods[] = {
    {"recv", recv_some},
    {"recv_exactly", recv_exactly},
    {"recv_line", recv_line},
    {"recv_until", recv_until},
    {"recv_all", recv_all},
    {"chunks", chunks},
    {"peek", peek},
    {"unread", unread},
    {NULL, NULL},
};
