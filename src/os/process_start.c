/*
** Owns how a program is started: its options, its standard streams, and the pipes of the
** process object. What is checked of the options is checked in arsenal/os/command.lua.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/error.h"
#include "event/outbox.h"
#include "kernel/public.h"
#include "os/process.h"
#include "system/child_process.h"
#include "system/descriptor.h"
#include "system/pipe.h"

#include <stdio.h>
#include <string.h>

enum { OPTIONS = 1 };

static const char *const stream_names[STANDARD_STREAMS] = {"stdin", "stdout", "stderr"};

/* registry: a table with the process of each pipe, so that it lives as long as its pipes do */
static const char owners_key;

/* What a standard stream of the child is, until it runs. The options keep the objects. */
typedef struct Standard {
    Stream *stream;    /* or NULL */
    luaL_Stream *file; /* or NULL */
    bool is_stdout;    /* stderr: as stdout */
    int fd;            /* the child's, or -1: null */
    bool closes;       /* fd is closed when the child has it */
    int ours;          /* the other end of a pipe, or -1 */
} Standard;

typedef struct Start {
    Process *process;
    ChildOptions options;
    Standard standard[STANDARD_STREAMS];
    uv_stdio_container_t containers[STANDARD_STREAMS];
    int which; /* the standard stream that is the reason of a failure, or -1 */
} Start;

/* [-0, +1] a NULL-terminated list of the strings in the field, which the options keep; NULL without it */
static char **process_strings(lua_State *L, const char *name) {
    if (lua_getfield(L, OPTIONS, name) == LUA_TNIL) return NULL;
    size_t count = lua_rawlen(L, -1);
    char **strings = lua_newuserdatauv(L, (count + 1) * sizeof *strings, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -2, (lua_Integer)i + 1);
        strings[i] = (char *)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    strings[count] = NULL;
    lua_replace(L, -2);
    return strings;
}

static void process_read_options(lua_State *L, Start *start) {
    uv_process_options_t *uv = &start->options.uv;
    uv->file = args_string_option(L, OPTIONS, "file", NULL);
    uv->cwd = args_string_option(L, OPTIONS, "cwd", NULL);
    uv->args = process_strings(L, "arguments");
    uv->env = process_strings(L, "environment");
    lua_Integer uid = args_integer_option(L, OPTIONS, "uid", 0, UINT32_MAX - 1, -1);
    lua_Integer gid = args_integer_option(L, OPTIONS, "gid", 0, UINT32_MAX - 1, -1);
    uv->uid = (uv_uid_t)uid;
    uv->gid = (uv_gid_t)gid;
    start->options.detached = args_boolean_option(L, OPTIONS, "detached", false);
    start->options.grace = args_duration_option(L, OPTIONS, "grace");
    if (args_boolean_option(L, OPTIONS, "process_group", true)) uv->flags |= UV_PROCESS_DETACHED;
    if (uid >= 0) uv->flags |= UV_PROCESS_SETUID;
    if (gid >= 0) uv->flags |= UV_PROCESS_SETGID;
}

/* [-0, +1] */
static Process *process_make(lua_State *L, const Start *start) {
    Process *process = process_new(L);
    process->grace = start->options.grace;
    process->detached = start->options.detached;
    strncpy(process->program, start->options.uv.file, PROGRAM_SIZE - 1);
    return process;
}

/* [-0, +0] makes the stream of a pipe, as a field of the process on top. */
static void process_make_stream(lua_State *L, Process *process, int i) {
    lua_getiuservalue(L, -1, 1);
    process->pipes[i] = pipe_stream_new(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &owners_key);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -5);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    lua_setfield(L, -2, stream_names[i]);
    lua_pop(L, 1);
}

/* The option is on top, and below it the process. Makes the stream of a pipe. */
static void process_read_standard(lua_State *L, Start *start, int i) {
    Standard *standard = &start->standard[i];
    const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    *standard = (Standard){.fd = -1, .ours = -1, .is_stdout = strcmp(word, "stdout") == 0};
    if (lua_isinteger(L, -1)) standard->fd = (int)lua_tointeger(L, -1);
    if (lua_isuserdata(L, -1)) {
        standard->file = luaL_testudata(L, -1, LUA_FILEHANDLE);
        if (standard->file == NULL) standard->stream = stream_check(L, lua_gettop(L));
    }
    lua_pop(L, 1);
    if (strcmp(word, "pipe") == 0) process_make_stream(L, start->process, i);
}

/* Makes all objects, because that may raise an error, and nothing is open yet. */
static void process_read_streams(lua_State *L, Start *start) {
    for (int i = 0; i < STANDARD_STREAMS; i++) {
        lua_getfield(L, OPTIONS, stream_names[i]);
        process_read_standard(L, start, i);
    }
}

static int process_open_pipe(Standard *standard, bool child_reads) {
    PipeEnds ends;
    int status = pipe_open(&ends, child_reads);
    if (status != 0) return status;
    standard->closes = true;
    standard->fd = ends.childs;
    standard->ours = ends.ours;
    return 0;
}

/* A pipe of ours is opened again, because the child makes what it gets blocking. */
static int process_use_stream(Standard *standard, const Stream *stream, bool child_reads) {
    int fd = stream->socket.poller.fd;
    if (!handle_is_ours(&stream->socket.handle)) return ARSENAL_CLOSED;
    outbox_flush(stream->socket.handle.loop);
    if (child_reads && buffer_length(&stream->input) > 0) return ARSENAL_BUSY;
    standard->fd = descriptor_of_socket(fd);
    if (stream->transport != &transport_pipe) return standard->fd < 0 ? standard->fd : 0;
    bool fits = child_reads ? stream->read_end != UV_EBADF : stream->sending == STREAM_SENDS;
    if (!fits || fd < 0) return UV_EBADF;
    standard->fd = pipe_reopen(fd, !child_reads);
    standard->closes = true;
    return standard->fd < 0 ? standard->fd : 0;
}

/* A file of Lua's: what it has buffered comes before what the child writes. */
static int process_use_file(Standard *standard, luaL_Stream *file) {
    if (file->closef == NULL) return ARSENAL_CLOSED;
    fflush(file->f);
    standard->fd = descriptor_of_stream(file->f);
    return standard->fd < 0 ? UV_EBADF : 0;
}

static int process_open_one(Start *start, int i) {
    Standard *standard = &start->standard[i];
    bool child_reads = i == STDIN;
    if (standard->fd >= 0) return descriptor_blocks(standard->fd) < 0 ? UV_EBADF : 0;
    if (standard->file != NULL) return process_use_file(standard, standard->file);
    if (standard->stream != NULL)
        return process_use_stream(standard, standard->stream, child_reads);
    if (start->process->pipes[i] != NULL) return process_open_pipe(standard, child_reads);
    if (standard->is_stdout) standard->fd = start->standard[STDOUT].fd;
    return 0;
}

static int process_open_standard(Start *start) {
    for (int i = 0; i < STANDARD_STREAMS; i++) {
        int status = process_open_one(start, i);
        if (status == 0) continue;
        start->which = i;
        return status;
    }
    return 0;
}

/* The child has its descriptors, or there is no child. */
static void process_close_childs(Start *start) {
    for (int i = 0; i < STANDARD_STREAMS; i++)
        if (start->standard[i].closes && start->standard[i].fd >= 0)
            descriptor_close(start->standard[i].fd);
}

static void process_close_ours(const Start *start) {
    for (int i = 0; i < STANDARD_STREAMS; i++)
        if (start->standard[i].ours >= 0) pipe_close(start->standard[i].ours);
}

static int process_spawn(Loop *loop, Start *start) {
    for (int i = 0; i < STANDARD_STREAMS; i++) {
        int fd = start->standard[i].fd;
        start->containers[i].flags = fd < 0 ? UV_IGNORE : UV_INHERIT_FD;
        start->containers[i].data.fd = fd;
    }
    start->options.uv.stdio = start->containers;
    start->options.uv.stdio_count = STANDARD_STREAMS;
    Process *process = start->process;
    return child_start(loop, &start->options, &process->owner, &process->child);
}

static void process_adopt_pipes(const Start *start) {
    Process *process = start->process;
    char name[PIPE_NAME_SIZE];
    for (int i = 0; i < STANDARD_STREAMS; i++) {
        if (process->pipes[i] == NULL) continue;
        snprintf(name, sizeof name, "%s of process %d", stream_names[i], process->pid);
        pipe_stream_adopt(process->pipes[i], start->standard[i].ours, i == STDIN, name);
    }
}

/* A later close leaves the child what has arrived. */
static void process_share_streams(const Start *start) {
    for (int i = 0; i < STANDARD_STREAMS; i++)
        if (start->standard[i].stream != NULL) start->standard[i].stream->is_shared = true;
}

static int process_fail(lua_State *L, const Start *start, int status) {
    const uv_process_options_t *uv = &start->options.uv;
    if (start->which >= 0 && status == ARSENAL_BUSY)
        return error_push_reason(L, ARSENAL_BUSY,
                                 lua_pushfstring(L,
                                                 "start %s: stdin: the stream has bytes that were "
                                                 "received and not taken",
                                                 uv->file));
    if (start->which >= 0)
        return error_push(L, status, "start %s: %s", uv->file, stream_names[start->which]);
    if (uv->cwd != NULL && !child_process_is_directory(uv->cwd))
        return error_push(L, status, "start %s: cwd %s", uv->file, uv->cwd);
    return error_push(L, status, "start %s", uv->file);
}

/* The object is on top. From here on nothing raises an error until the child runs, or everything is closed. */
static int process_launch(lua_State *L, Start *start) {
    Process *process = start->process;
    int status = process_open_standard(start);
    if (status == 0) status = process_spawn(process->handle.loop, start);
    process_close_childs(start);
    if (status != 0) {
        process_close_ours(start);
        return process_fail(L, start, status);
    }
    process->pid = child_pid(process->child);
    process_share_streams(start);
    process_adopt_pipes(start);
    handle_opened(&process->handle);
    return 1;
}

enum { COST = 64 }; /* a start takes as long as so many calls that find their result at once */

/*
** process_start(options): `file`, `arguments` (with the program's name), `environment`
** (a list of "NAME=value"), `cwd`, `uid`, `gid`, `process_group`, `detached`, `grace`;
** `stdin`, `stdout`, `stderr`: "pipe", "null", "stdout", a descriptor, a stream or a
** file of Lua's.
*/
static int process_start(lua_State *L) {
    Loop *loop = loop_of(L);
    Task *task = task_spent_anywhere(L, loop);
    if (task != NULL) return task_pause_before(L, task);
    Start start = {.which = -1};
    loop->budget -= COST;
    luaL_checktype(L, OPTIONS, LUA_TTABLE);
    process_read_options(L, &start);
    start.process = process_make(L, &start);
    process_read_streams(L, &start);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    return process_launch(L, &start);
}

/* environment(): a list of "NAME=value" of this process. */
static int process_environment(lua_State *L) {
    child_process_push_environment(L);
    return 1;
}

static const luaL_Reg functions[] = {
    {"process_start", process_start},
    {"environment", process_environment},
    {NULL, NULL},
};

void process_start_open(lua_State *L) {
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &owners_key);
    luaL_setfuncs(L, functions, 0);
}
