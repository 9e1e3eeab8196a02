/*
** Owns sending a file on a stream. A thread moves a part of the file into a pipe, and
** the loop moves it on to the socket, both without copying it; the loop never waits
** for the disk. For other transports the thread reads the part into memory.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "os/disk_call.h"
#include "os/file.h"
#include "stream/stream_io.h"
#include "system/descriptor.h"
#include "system/file.h"

#include <stdlib.h>

enum { PART_SIZE = 1024 * 1024, MEMORY_PART_SIZE = 256 * 1024 };

/* A part of the file, on its way. */
typedef struct PartWork {
    DiskWork work;
    int fd; /* a copy of the file's */
    int64_t offset;
    size_t wanted;
    bool through_memory;
    Splice splice;
    char *memory;      /* MEMORY_PART_SIZE bytes, or NULL */
    size_t size, sent; /* bytes in memory, and how many of them are sent */
} PartWork;

typedef struct SendFile {
    DiskCall call;  /* first */
    Stream *to;     /* on the stack of the call */
    Task *sender;   /* while it has or awaits its turn to send; otherwise NULL */
    PartWork *part; /* the call's work, also while a thread has it; NULL: there is none */
    uint64_t sent, left;
} SendFile;

static const char send_file_name[] = "arsenal.send_file";

/* The stack of the call. */
enum { TO = 1, FROM, OFFSET, COUNT, STATE };

/* --- in a thread --- */

static int part_read(PartWork *part) {
    size_t size = part->wanted < MEMORY_PART_SIZE ? part->wanted : MEMORY_PART_SIZE;
    if (part->memory == NULL) part->memory = malloc(MEMORY_PART_SIZE);
    if (part->memory == NULL) return UV_ENOMEM;
    ptrdiff_t count = file_read_at(part->fd, part->memory, size, part->offset);
    part->sent = part->size = 0;
    if (count < 0) return (int)count;
    part->size = (size_t)count;
    part->offset += count;
    return 0;
}

/* Some file systems cannot splice: they are read. */
static int part_run(DiskWork *work) {
    PartWork *part = container_of(work, PartWork, work);
    if (part->through_memory) return part_read(part);
    ptrdiff_t count = splice_fill_at(&part->splice, part->fd, &part->offset, part->wanted);
    if (count != UV_EINVAL && count != UV_ENOSYS) return count < 0 ? (int)count : 0;
    part->through_memory = true;
    return part_read(part);
}

static void part_free(DiskWork *work) {
    PartWork *part = container_of(work, PartWork, work);
    descriptor_close(part->fd);
    splice_close(&part->splice);
    free(part->memory);
    free(part);
}

/* --- how a call ends --- */

static void send_file_release(SendFile *state) {
    Task *sender = state->sender;
    state->sender = NULL;
    state->part = NULL;
    disk_call_end(&state->call);
    if (sender != NULL && state->to->senders.sender == sender)
        stream_abandon_turn(state->to, (size_t)state->sent);
}

/* The message ends here, complete or not. */
static void send_file_end_message(SendFile *state, bool complete) {
    Stream *to = state->to;
    bool has_turn = state->sender != NULL && to->senders.sender == state->sender;
    state->sender = NULL;
    if (has_turn && !complete && stream_has_begun(to, (size_t)state->sent)) stream_cut(to);
    if (has_turn) send_queue_pass_turn(&to->senders);
    send_file_release(state);
}

static int send_file_done(lua_State *L, SendFile *state) {
    send_file_end_message(state, true);
    lua_pushinteger(L, (lua_Integer)state->sent);
    return 1;
}

/* nil, message, code, bytes sent */
static int send_file_fail(lua_State *L, SendFile *state, int status) {
    send_file_end_message(state, false);
    stream_fail(L, state->to, "send_file", status);
    lua_pushinteger(L, (lua_Integer)state->sent);
    return 4;
}

static int send_file_fail_to_read(lua_State *L, SendFile *state, int status) {
    const File *file = lua_touserdata(L, FROM);
    send_file_end_message(state, false);
    handle_fail(L, &file->handle, "send_file", status);
    lua_pushinteger(L, (lua_Integer)state->sent);
    return 4;
}

/* --- waiting --- */

static int send_file_resume(lua_State *L, Task *task);
static int send_file_part_came(lua_State *L, Task *task);

static void send_file_forget(Task *task) {
    send_file_release(task->object);
}

static void send_file_describe(lua_State *L, Task *task) {
    const SendFile *state = task->object;
    handle_describe_wait(L, &state->to->socket.handle, "sending a file on");
}

static const WaitKind stream_wait = {send_file_resume, send_file_forget, send_file_describe};
static const WaitKind part_wait = {send_file_part_came, send_file_forget, send_file_describe};

/* Each wait has the whole of the stream's timeout: a file may take long, but must not stand still. */
static int send_file_wait_for(lua_State *L, SendFile *state, Task *task, ptrdiff_t wants) {
    task_clear_timeout(task);
    int status = stream_watch(state->to, task, wants, state->to->socket.send_timeout);
    if (status != 0) return send_file_fail(L, state, status);
    return task_wait(L, task, &stream_wait, state);
}

static int send_file_fetch(lua_State *L, SendFile *state, Task *task) {
    PartWork *part = state->part;
    task_clear_timeout(task);
    part->wanted = state->left < PART_SIZE ? (size_t)state->left : PART_SIZE;
    return disk_call_wait(L, &state->call, &part->work, &part_wait);
}

/* --- the call --- */

static bool part_is_empty(const PartWork *part) {
    return part->through_memory ? part->sent == part->size : part->splice.held == 0;
}

static ptrdiff_t send_file_write(SendFile *state) {
    PartWork *part = state->part;
    if (!part->through_memory) return stream_write_splice(state->to, &part->splice);
    size_t size = part->size - part->sent;
    uv_buf_t rest = {.base = part->memory + part->sent, .len = size};
    ptrdiff_t written = stream_write(state->to, &rest, 1, size);
    if (written > 0) part->sent += (size_t)written;
    return written;
}

/* The task has its turn to send. */
static int send_file_on_turn(lua_State *L, SendFile *state, Task *task) {
    while (!part_is_empty(state->part)) {
        if (task_spent(task->loop)) return task_pause(L, task, &stream_wait, state);
        ptrdiff_t written = send_file_write(state);
        if (transport_wants(written)) return send_file_wait_for(L, state, task, written);
        if (written == TRANSPORT_AGAIN) return task_pause(L, task, &stream_wait, state);
        if (written < 0) return send_file_fail(L, state, (int)written);
        state->sent += (uint64_t)written;
        state->left -= (uint64_t)written;
    }
    if (state->left == 0) return send_file_done(L, state);
    return send_file_fetch(L, state, task);
}

static int send_file_begin_turn(lua_State *L, SendFile *state, Task *task) {
    Stream *to = state->to;
    if (to->sending == STREAM_SENDS) return send_file_on_turn(L, state, task);
    send_file_end_message(state, true);
    return stream_refuse_sender(L, to);
}

/* The task was woken: it has its turn, the descriptor is writable, the stream was closed, or time is up. */
static int send_file_resume(lua_State *L, Task *task) {
    SendFile *state = lua_touserdata(L, STATE);
    if (!state->to->socket.handle.open) return send_file_fail(L, state, ARSENAL_CLOSED);
    if (task->status != 0) return send_file_fail(L, state, task->status);
    return send_file_begin_turn(L, state, task);
}

/* A part of no bytes is the end of the file. */
static int send_file_part_came(lua_State *L, Task *task) {
    SendFile *state = lua_touserdata(L, STATE);
    if (!state->to->socket.handle.open) return send_file_fail(L, state, ARSENAL_CLOSED);
    int status = disk_call_status(&state->call);
    if (status != 0) return send_file_fail_to_read(L, state, status);
    if (part_is_empty(state->part)) return send_file_done(L, state);
    return send_file_begin_turn(L, state, task);
}

static PartWork *part_new(const File *file, const Stream *to, int64_t offset) {
    PartWork *part = calloc(1, sizeof *part);
    if (part == NULL) return NULL;
    *part = (PartWork){.work = {part_run, part_free, NULL, 0},
                       .fd = descriptor_copy(file->fd),
                       .offset = offset,
                       .splice = {.out = -1, .in = -1}};
    part->through_memory = !transport_is_plain(to->transport) || splice_open(&part->splice) != 0;
    if (!part->through_memory) splice_widen(&part->splice, PART_SIZE);
    if (part->fd >= 0) return part;
    splice_close(&part->splice);
    free(part);
    return NULL;
}

static SendFile *send_file_new(lua_State *L, Stream *to, Task *task) {
    SendFile *state = lua_newuserdatauv(L, sizeof *state, 0);
    *state = (SendFile){.to = to, .left = (uint64_t)lua_tointeger(L, COUNT)};
    disk_call_init(&state->call, task);
    luaL_setmetatable(L, send_file_name);
    return state;
}

/* For a call whose coroutine user code has closed. Its stream is older, so it is finalized later. */
static int send_file_gc(lua_State *L) {
    SendFile *state = lua_touserdata(L, 1);
    Task *task = state->sender;
    disk_call_finalize(&state->call);
    state->part = NULL;
    if (task == NULL || task->loop->closed) return 0;
    if (task->object == state) task->object = NULL;
    send_file_release(state);
    return 0;
}

/* send_file(stream, file, offset, count): the bytes sent, fewer than `count` if the file ends. */
static int send_file(lua_State *L) {
    Stream *to = stream_check(L, TO);
    const File *file = handle_check(L, FROM, &file_type, 1);
    args_integer(L, OFFSET, 0, LUA_MAXINTEGER);
    args_optional_integer(L, COUNT, 0, LUA_MAXINTEGER, LUA_MAXINTEGER);
    Task *task = task_enter(L, to->socket.handle.loop);
    if (task == NULL) return run_outside(L);
    lua_settop(L, COUNT);
    if (lua_isnil(L, COUNT)) {
        lua_pushinteger(L, LUA_MAXINTEGER);
        lua_replace(L, COUNT);
    }
    SendFile *state = send_file_new(L, to, task);
    if (!to->socket.handle.open) return send_file_fail(L, state, ARSENAL_CLOSED);
    if (!file->handle.open) return send_file_fail_to_read(L, state, ARSENAL_CLOSED);
    state->part = part_new(file, to, lua_tointeger(L, OFFSET));
    if (state->part == NULL) return send_file_fail(L, state, UV_EMFILE);
    state->call.work = &state->part->work;
    state->sender = task;
    if (send_queue_take_turn(&to->senders, task, to->socket.send_timeout))
        return send_file_begin_turn(L, state, task);
    return task_wait(L, task, &stream_wait, state);
}

void send_file_open(lua_State *L) {
    luaL_newmetatable(L, send_file_name);
    lua_pushcfunction(L, send_file_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_pushcfunction(L, send_file);
    lua_setfield(L, -2, "send_file");
}
