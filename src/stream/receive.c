/*
** Owns receiving: each call takes one item from the front of what has arrived,
** and waits until the item is complete.
*/
#include "base/openers.h"

#include "base/error.h"
#include "base/error_object.h"
#include "event/run.h"
#include "stream/receive.h"
#include "stream/stream_io.h"

/* --- how a call ends: each returns the number of its results --- */

static int recv_failed(lua_State *L, const Item *item) {
    return item->raises ? error_object_raise(L, 1) : 3;
}

static int recv_fail(lua_State *L, const Stream *stream, const Item *item, int status) {
    stream_fail(L, stream, item->verb, status);
    return recv_failed(L, item);
}

static int recv_deliver(lua_State *L, Stream *stream, const char *data, size_t length,
                        size_t taken) {
    lua_pushlstring(L, data, length);
    buffer_drop(&stream->input, taken);
    return 1;
}

/* No more bytes will come, and those that are there are not a complete item. */
static int recv_at_end(lua_State *L, Stream *stream, const Item *item) {
    size_t size = buffer_length(&stream->input);
    if (stream->read_end < 0) return recv_fail(L, stream, item, stream->read_end);
    if (item->end == ITEM_ENDS_AT_THE_END)
        return recv_deliver(L, stream, buffer_data(&stream->input), size, size);
    if (size == 0) {
        lua_pushnil(L);
        return 1;
    }
    recv_fail(L, stream, item, ARSENAL_EOF);
    recv_deliver(L, stream, buffer_data(&stream->input), size, item->only_looks ? 0 : size);
    return 4;
}

/* --- taking the item from what is there: 0 results if it is not complete --- */

/* The progress of a call is how many bytes it has searched for the end of its item. */
static ptrdiff_t recv_find(lua_State *L, const Stream *stream, const Item *item, const char *data,
                           size_t size, size_t *taken) {
    return item->find(L, data, size, &stream->socket.handle.loop->running->progress, taken);
}

static int recv_take_input(lua_State *L, Stream *stream, const Item *item) {
    size_t size = buffer_length(&stream->input), taken = 0;
    const char *data = buffer_data(&stream->input);
    if (item->end == ITEM_ENDS_ANYWHERE) {
        taken = item_least(size, item_most(L, item));
        return recv_deliver(L, stream, data, taken, taken);
    }
    ptrdiff_t length = recv_find(L, stream, item, data, size, &taken);
    if (length >= 0)
        return recv_deliver(L, stream, data, (size_t)length, item->only_looks ? 0 : taken);
    return length == ITEM_TOO_LONG ? recv_fail(L, stream, item, ARSENAL_TOOLONG) : 0;
}

static inline int recv_take(lua_State *L, Stream *stream, const Item *item) {
    return buffer_length(&stream->input) > 0 ? recv_take_input(L, stream, item) : 0;
}

static void recv_keep(lua_State *L, Stream *stream, const char *data, size_t size) {
    if (!buffer_append(&stream->input, data, size)) luaL_error(L, "not enough memory");
}

/*
** Takes all the `size` bytes in the scratch buffer, whose first `length` are the
** item. Without memory for them they would be missing in the stream: so it has
** failed then.
*/
static int recv_deliver_scratch(lua_State *L, Stream *stream, const char *data, size_t length) {
    int read_end = stream->read_end;
    stream->read_end = UV_ENOMEM;
    lua_pushlstring(L, data, length);
    stream->read_end = read_end;
    return 1;
}

/*
** Takes an item that has a certain end from `size` bytes in the scratch buffer,
** which follow the stream's input. An item that is all there is needs no copy in
** the input. Making its string may run finalizers, which may use the scratch buffer.
*/
static int recv_find_in_scratch(lua_State *L, Stream *stream, const Item *item, size_t size) {
    const char *data = stream->socket.handle.loop->scratch;
    if (buffer_length(&stream->input) > 0) {
        recv_keep(L, stream, data, size);
        return recv_take(L, stream, item);
    }
    size_t taken = 0;
    ptrdiff_t length = recv_find(L, stream, item, data, size, &taken);
    if (length >= 0 && taken == size && !item->only_looks)
        return recv_deliver_scratch(L, stream, data, (size_t)length);
    recv_keep(L, stream, data, size);
    if (length == ITEM_TOO_LONG) return recv_fail(L, stream, item, ARSENAL_TOOLONG);
    if (length < 0) return 0;
    data = buffer_data(&stream->input);
    return recv_deliver(L, stream, data, (size_t)length, item->only_looks ? 0 : taken);
}

/*
** An item that ends anywhere is all that was read: there is no input before it, and it may
** have so many bytes.
*/
static inline int recv_take_from_scratch(lua_State *L, Stream *stream, const Item *item,
                                         size_t size) {
    if (item->end != ITEM_ENDS_ANYWHERE) return recv_find_in_scratch(L, stream, item, size);
    return recv_deliver_scratch(L, stream, stream->socket.handle.loop->scratch, size);
}

/* --- reading --- */

/*
** How many bytes to read straight into the stream's input, which saves copying a
** large item; 0: read through the scratch buffer. At most as many as are there
** already, so that memory grows with the data and not with what was asked for.
*/
static size_t recv_direct_size(lua_State *L, const Stream *stream, const Item *item) {
    if (item->end != ITEM_ENDS_AT_SIZE && item->end != ITEM_ENDS_AT_THE_END) return 0;
    size_t have = buffer_length(&stream->input);
    size_t missing = item->end == ITEM_ENDS_AT_SIZE ? args_size(L, ITEM_SIZE) - have : have;
    if (missing < READ_SIZE) return 0;
    return item_least(missing, have > READ_SIZE ? have : READ_SIZE);
}

static size_t recv_scratch_size(lua_State *L, const Item *item) {
    if (item->end != ITEM_ENDS_ANYWHERE) return READ_SIZE;
    return item_least(item_most(L, item), SCRATCH_SIZE);
}

/* Reads once, as stream_read does: `direct` bytes into the input, or to the scratch buffer if that is 0. */
static ptrdiff_t recv_read(lua_State *L, Stream *stream, const Item *item, size_t direct) {
    if (direct > 0) return stream_read_input(stream, direct);
    return stream_read(stream, stream->socket.handle.loop->scratch, recv_scratch_size(L, item));
}

/* --- waiting --- */

static int recv_wait_for(lua_State *L, Stream *stream, const Item *item, ptrdiff_t wants) {
    Task *task = stream->socket.handle.loop->running;
    if (item->never_waits) return 0;
    int status = stream_watch(stream, task, wants, stream->socket.recv_timeout);
    if (status != 0) return recv_fail(L, stream, item, status);
    stream->receiver = task;
    return task_wait(L, task, &item->wait, stream);
}

static int recv_pause(lua_State *L, Stream *stream, const Item *item) {
    Task *task = stream->socket.handle.loop->running;
    stream->receiver = task;
    return task_pause(L, task, &item->wait, stream);
}

/* Takes the item from what is there, and reads until it is complete. */
static int recv_until_complete(lua_State *L, Stream *stream, const Item *item) {
    const Loop *loop = stream->socket.handle.loop;
    int results = recv_take(L, stream, item);
    while (results == 0) {
        size_t direct = recv_direct_size(L, stream, item);
        ptrdiff_t count = recv_read(L, stream, item, direct);
        if (transport_wants(count)) return recv_wait_for(L, stream, item, count);
        if (count == 0) return recv_at_end(L, stream, item);
        if (count > 0)
            results = direct > 0 ? recv_take(L, stream, item)
                                 : recv_take_from_scratch(L, stream, item, (size_t)count);
        bool is_spent = count == TRANSPORT_AGAIN || (results == 0 && loop->budget < 0);
        if (is_spent && !item->never_waits) return recv_pause(L, stream, item);
    }
    return results;
}

/* The task was woken by the descriptor, a close, or its timeout. */
int recv_resume(lua_State *L, Task *task) {
    Stream *stream = lua_touserdata(L, ITEM_SELF);
    const Item *item = container_of(task->kind, Item, wait);
    stream->receiver = NULL;
    if (task->status != 0) return recv_fail(L, stream, item, task->status);
    if (!stream->socket.handle.open) return recv_fail(L, stream, item, ARSENAL_CLOSED);
    return recv_until_complete(L, stream, item);
}

void recv_forget(Task *task) {
    ((Stream *)task->object)->receiver = NULL;
}

void recv_describe(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "receiving on");
}

#define RECV_WAIT \
    { recv_resume, recv_forget, recv_describe }

static const Item some_item = {.wait = RECV_WAIT,
                               .verb = "recv",
                               .end = ITEM_ENDS_ANYWHERE,
                               .most = ITEM_DEFAULT};
static const Item sized_item = {.wait = RECV_WAIT, .verb = "recv", .end = ITEM_ENDS_ANYWHERE};
static const Item chunk_item = {.wait = RECV_WAIT,
                                .verb = "recv",
                                .end = ITEM_ENDS_ANYWHERE,
                                .most = SCRATCH_SIZE,
                                .raises = true};
static const Item attempt_item = {.wait = RECV_WAIT,
                                  .verb = "recv",
                                  .end = ITEM_ENDS_ANYWHERE,
                                  .most = ITEM_DEFAULT,
                                  .never_waits = true};
static const Item exact_item = {.wait = RECV_WAIT,
                                .find = item_find_exact,
                                .verb = "recv_exactly",
                                .end = ITEM_ENDS_AT_SIZE};
static const Item peek_item = {.wait = RECV_WAIT,
                               .find = item_find_exact,
                               .verb = "peek",
                               .end = ITEM_ENDS_AT_SIZE,
                               .only_looks = true};
static const Item line_item = {.wait = RECV_WAIT,
                               .find = item_find_line,
                               .verb = "recv_line",
                               .end = ITEM_ENDS_AT_MARK};
static const Item delimited_item = {.wait = RECV_WAIT,
                                    .find = item_find_delimited,
                                    .verb = "recv_until",
                                    .end = ITEM_ENDS_AT_MARK};
static const Item all_item = {.wait = RECV_WAIT,
                              .find = item_find_all,
                              .verb = "recv_all",
                              .end = ITEM_ENDS_AT_THE_END};

/* --- the methods --- */

int recv_buffered(lua_State *L, Stream *stream, const Item *item) {
    size_t size = buffer_length(&stream->input), taken = 0, searched = 0;
    if (size == 0) return 0;
    const char *data = buffer_data(&stream->input);
    ptrdiff_t length = item->find(L, data, size, &searched, &taken);
    return length >= 0 ? recv_deliver(L, stream, data, (size_t)length, taken) : 0;
}

static int recv_refuse(lua_State *L, const Stream *stream, const Item *item) {
    stream_refuse_receiver(L, stream, item->verb);
    return recv_failed(L, item);
}

/* Nothing is there, and nothing has come: to read would be in vain. */
static inline bool recv_is_idle(const Stream *stream) {
    return buffer_length(&stream->input) == 0 && stream_may_read(stream) == TRANSPORT_WANTS_READ;
}

int recv_alone(lua_State *L, Stream *stream, const Item *item) {
    if (stream->receiver != NULL) return recv_refuse(L, stream, item);
    if (!stream->socket.handle.open) return recv_fail(L, stream, item, ARSENAL_CLOSED);
    if (!item->never_waits && task_spent(stream->socket.handle.loop))
        return recv_pause(L, stream, item);
    if (recv_is_idle(stream)) return recv_wait_for(L, stream, item, TRANSPORT_WANTS_READ);
    return recv_until_complete(L, stream, item);
}

static int recv_begin(lua_State *L, Stream *stream, const Item *item) {
    Task *task = task_enter(L, stream->socket.handle.loop);
    return task == NULL ? run_outside(L) : recv_alone(L, stream, item);
}

/* stream:recv([max]) some bytes, at most `max`, as soon as there are any; nil at the end of the stream. */
static int recv_method(lua_State *L) {
    Stream *stream = stream_check(L, ITEM_SELF);
    if (lua_isnoneornil(L, ITEM_SIZE)) return recv_begin(L, stream, &some_item);
    args_integer(L, ITEM_SIZE, 1, LUA_MAXINTEGER);
    return recv_begin(L, stream, &sized_item);
}

/* The iterator of stream:chunks(). Its control variable, the last chunk, is not used. */
static int recv_next_chunk(lua_State *L) {
    return recv_begin(L, stream_check(L, ITEM_SELF), &chunk_item);
}

/*
** for data in stream:chunks() do ... end: ends at the end of the stream; a failure is
** raised, as an error object.
*/
static int recv_chunks_method(lua_State *L) {
    stream_check(L, ITEM_SELF);
    lua_settop(L, ITEM_SELF);
    lua_pushcfunction(L, recv_next_chunk);
    lua_insert(L, ITEM_SELF);
    return 2;
}

/* stream:recv_exactly(n) the next n bytes. */
static int recv_exactly_method(lua_State *L) {
    Stream *stream = stream_check(L, ITEM_SELF);
    args_integer(L, ITEM_SIZE, 0, LUA_MAXINTEGER);
    lua_settop(L, ITEM_SIZE);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    if (lua_tointeger(L, ITEM_SIZE) == 0 && stream->socket.handle.open) {
        lua_pushliteral(L, "");
        return 1;
    }
    return recv_alone(L, stream, &exact_item);
}

/* stream:peek(n) the next n bytes (at most 64 KiB), which stay in the stream. */
static int recv_peek_method(lua_State *L) {
    Stream *stream = stream_check(L, ITEM_SELF);
    args_integer(L, ITEM_SIZE, 1, READ_SIZE);
    lua_settop(L, ITEM_SIZE);
    return recv_begin(L, stream, &peek_item);
}

static lua_Integer recv_max_option(lua_State *L, int index) {
    return args_integer_option(L, index, "max", 0, LUA_MAXINTEGER, ITEM_DEFAULT);
}

static bool recv_keep_option(lua_State *L, int index) {
    return args_boolean_option(L, index, "keep", false);
}

static void recv_check_options(lua_State *L, int index) {
    static const char *const names[] = {"max", "keep", NULL};
    args_options(L, index, names);
    recv_max_option(L, index);
    recv_keep_option(L, index);
}

/* [self, (delimiter,) options] -> [self, max, keep, delimiter] */
static void recv_read_options(lua_State *L, int index) {
    lua_pushinteger(L, recv_max_option(L, index));
    lua_pushboolean(L, recv_keep_option(L, index));
    lua_pushvalue(L, 2);
    lua_rotate(L, 2, 3);
    lua_settop(L, ITEM_DELIMITER);
}

/* [self, nil] -> the same without options */
static void recv_use_defaults(lua_State *L) {
    lua_settop(L, ITEM_SELF);
    lua_pushinteger(L, ITEM_DEFAULT);
    lua_settop(L, ITEM_DELIMITER);
}

/*
** stream:recv_line([options]) a line without its "\n" or "\r\n". Options: `max`
** bytes (64 KiB), and `keep`: the end of the line is part of the result.
*/
static int recv_line_method(lua_State *L) {
    Stream *stream = stream_check(L, ITEM_SELF);
    lua_settop(L, 2);
    recv_check_options(L, 2);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    if (lua_isnil(L, 2))
        recv_use_defaults(L);
    else
        recv_read_options(L, 2);
    return recv_alone(L, stream, &line_item);
}

/* stream:recv_until(delimiter [, options]) what comes before the delimiter. Options: see recv_line. */
static int recv_until_method(lua_State *L) {
    Stream *stream = stream_check(L, ITEM_SELF);
    luaL_checktype(L, 2, LUA_TSTRING);
    luaL_argcheck(L, lua_rawlen(L, 2) > 0, 2, "the delimiter is empty");
    lua_settop(L, 3);
    recv_check_options(L, 3);
    if (task_enter(L, stream->socket.handle.loop) == NULL) return run_outside(L);
    recv_read_options(L, 3);
    return recv_alone(L, stream, &delimited_item);
}

/* stream:recv_all([max]) everything up to the end of the stream; "TOOLONG" beyond `max` bytes (64 MiB). */
static int recv_all_method(lua_State *L) {
    Stream *stream = stream_check(L, ITEM_SELF);
    lua_Integer limit = args_optional_integer(L, ITEM_LIMIT, 0, LUA_MAXINTEGER, ITEM_DEFAULT_ALL);
    lua_settop(L, ITEM_SELF);
    lua_pushinteger(L, limit);
    return recv_begin(L, stream, &all_item);
}

/* stream:unread(data) puts bytes back in front of what is received next. */
static int recv_unread_method(lua_State *L) {
    Stream *stream = stream_check(L, ITEM_SELF);
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
** stream_is_quiet(stream, look): whether the stream is as it was after a
** completed exchange: open in both directions, used by no task, and nothing has
** arrived, not even the end. The kernel is asked only with `look`.
*/
static int recv_is_quiet(lua_State *L) {
    Stream *stream = stream_check(L, ITEM_SELF);
    bool in_use = stream->receiver != NULL || stream->senders.sender != NULL;
    bool quiet = stream->socket.handle.open && stream->sending == STREAM_SENDS && !in_use;
    if (quiet && lua_toboolean(L, 2)) quiet = stream_probe(stream);
    lua_pushboolean(L, quiet && stream->read_end == 0 && buffer_length(&stream->input) == 0);
    return 1;
}

/* --- select: a stream stands for recv() --- */

static int recv_attempt(lua_State *L) {
    return recv_alone(L, stream_check(L, ITEM_SELF), &attempt_item);
}

static int recv_watch(void *object, Waiter *waiter) {
    return poller_wait(&((Stream *)object)->socket.poller, waiter, POLL_READ);
}

static const Selectable recv_selectable = {recv_attempt, recv_watch, NULL, NULL};

static const luaL_Reg methods[] = {
    {"recv", recv_method},
    {"recv_exactly", recv_exactly_method},
    {"recv_line", recv_line_method},
    {"recv_until", recv_until_method},
    {"recv_all", recv_all_method},
    {"chunks", recv_chunks_method},
    {"peek", recv_peek_method},
    {"unread", recv_unread_method},
    {NULL, NULL},
};

void receive_open(lua_State *L) {
    lua_getfield(L, -1, "stream_methods");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
    for (int family = 0; family < STREAM_FAMILIES; family++)
        handle_attach_source(L, &stream_types[family], &recv_selectable);
    lua_pushcfunction(L, recv_is_quiet);
    lua_setfield(L, -2, "stream_is_quiet");
}
