/*
** Owns how a file gets its descriptor, and how it is closed once what was written has
** reached the system. Both wait for a thread.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "os/disk_call.h"
#include "os/file.h"
#include "os/file_rescue.h"
#include "system/file.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SELF = 1 };

/* --- open --- */

typedef struct OpenWork {
    DiskWork work;
    int fd; /* -1 until it is open */
    unsigned flags;
    bool is_temporary; /* a new file, whose name replaces the X's of the path */
    bool can_seek;
    char *path;
} OpenWork;

static int open_run(DiskWork *work) {
    OpenWork *open = container_of(work, OpenWork, work);
    open->fd = open->is_temporary ? file_make_unique(open->path)
                                  : file_open(open->path, open->flags, 0666);
    if (open->fd < 0) return open->fd;
    open->can_seek = file_can_seek(open->fd);
    return 0;
}

static void open_free(DiskWork *work) {
    OpenWork *open = container_of(work, OpenWork, work);
    if (open->fd >= 0) file_close(open->fd);
    free(open->path);
    free(open);
}

enum { OPEN_PATH = 1, OPEN_MODE, OPEN_FILE, OPEN_CALL };

static const char *open_verb(bool is_temporary) {
    return is_temporary ? "temporary" : "open";
}

static int open_fail(lua_State *L, bool is_temporary, int status) {
    return error_push(L, status, "%s %s", open_verb(is_temporary), lua_tostring(L, OPEN_PATH));
}

static int open_step(lua_State *L, Task *task) {
    (void)task;
    DiskCall *call = lua_touserdata(L, OPEN_CALL);
    OpenWork *open = container_of(call->work, OpenWork, work);
    int status = disk_call_status(call);
    bool is_temporary = open->is_temporary;
    if (status != 0) {
        disk_call_end(call);
        return open_fail(L, is_temporary, status);
    }
    lua_pushvalue(L, OPEN_FILE);
    if (is_temporary) lua_pushstring(L, open->path);
    file_adopt(lua_touserdata(L, OPEN_FILE), open->fd, open->flags, open->can_seek, open->path);
    open->fd = -1;
    open->path = NULL;
    disk_call_end(call);
    return is_temporary ? 2 : 1;
}

static const WaitKind open_wait = {open_step, disk_call_forget, disk_call_describe};

static unsigned open_flags(lua_State *L) {
    const char *mode = luaL_optstring(L, OPEN_MODE, "r");
    const char *rest = mode + 1;
    bool updates = *mode != '\0' && *rest == '+';
    if (updates) rest++;
    if (*rest == 'b') rest++;
    luaL_argcheck(L, *mode != '\0' && strchr("rwa", *mode) != NULL && *rest == '\0', OPEN_MODE,
                  "invalid mode");
    switch (*mode) {
    case 'r':
        return FILE_READS | (updates ? FILE_WRITES : 0u);
    case 'w':
        return FILE_WRITES | FILE_CREATES | FILE_EMPTIES | (updates ? FILE_READS : 0u);
    default:
        return FILE_WRITES | FILE_CREATES | FILE_APPENDS | (updates ? FILE_READS : 0u);
    }
}

static OpenWork *open_new(const char *path, unsigned flags, bool is_temporary) {
    OpenWork *open = calloc(1, sizeof *open);
    if (open == NULL) return NULL;
    *open = (OpenWork){.work = {open_run, open_free, NULL, 0},
                       .fd = -1,
                       .flags = flags,
                       .is_temporary = is_temporary,
                       .path = strdup(path)};
    if (open->path != NULL) return open;
    free(open);
    return NULL;
}

static int open_begin(lua_State *L, Task *task, unsigned flags, bool is_temporary) {
    const char *path = lua_tostring(L, OPEN_PATH);
    lua_settop(L, OPEN_MODE);
    int status = file_prepare(task->loop);
    if (status != 0) return open_fail(L, is_temporary, status);
    file_new(L);
    DiskCall *call = disk_call_new(L, task, open_verb(is_temporary), path);
    OpenWork *open = open_new(path, flags, is_temporary);
    if (open == NULL) return open_fail(L, is_temporary, UV_ENOMEM);
    return disk_call_wait(L, call, &open->work, &open_wait);
}

/* fs_open(path, mode): a file. The path has no NUL. */
static int file_open_function(lua_State *L) {
    luaL_checkstring(L, OPEN_PATH);
    unsigned flags = open_flags(L);
    Task *task = task_enter(L, loop_of(L));
    return task == NULL ? run_outside(L) : open_begin(L, task, flags, false);
}

/*
** fs_temporary_file(template): a new file to read and write, and its path: the template's
** last X's are replaced.
*/
static int file_open_temporary(lua_State *L) {
    luaL_checkstring(L, OPEN_PATH);
    Task *task = task_enter(L, loop_of(L));
    return task == NULL ? run_outside(L) : open_begin(L, task, FILE_READS | FILE_WRITES, true);
}

/* --- close --- */

typedef struct CloseWork {
    DiskWork work;
    int fd; /* -1 once it is closed */
    Buffer output;
    size_t back;
    int lost; /* the status of a failed write that no call has returned */
} CloseWork;

static int close_run(DiskWork *work) {
    CloseWork *closing = container_of(work, CloseWork, work);
    int64_t moved =
        closing->back == 0 ? 0 : file_seek(closing->fd, -(int64_t)closing->back, SEEK_CUR);
    int status = moved < 0 ? (int)moved
                           : file_write(closing->fd, buffer_data(&closing->output),
                                        buffer_length(&closing->output));
    int ended = file_end(closing->fd);
    closing->fd = -1;
    if (closing->lost != 0) return closing->lost;
    return status != 0 ? status : ended;
}

/* A close that was cancelled before a thread began with it loses nothing, either. */
static void close_free(DiskWork *work) {
    CloseWork *closing = container_of(work, CloseWork, work);
    if (closing->fd >= 0) file_rescue(closing->fd, &closing->output, closing->back);
    buffer_free(&closing->output);
    free(closing);
}

enum { CLOSE_NAME = 2, CLOSE_CALL };

static int close_step(lua_State *L, Task *task) {
    (void)task;
    DiskCall *call = lua_touserdata(L, CLOSE_CALL);
    int status = disk_call_status(call);
    disk_call_end(call);
    if (status != 0) {
        error_push(L, status, "close %s", lua_tostring(L, CLOSE_NAME));
        return handle_set_failed(L, lua_touserdata(L, SELF));
    }
    lua_pushboolean(L, true);
    return 1;
}

static const WaitKind close_wait = {close_step, disk_call_forget, disk_call_describe};

/* Closes the file's object, and takes over its descriptor and output. NULL: no memory; nothing has changed. */
static CloseWork *close_take(File *file) {
    CloseWork *closing = calloc(1, sizeof *closing);
    if (closing == NULL) return NULL;
    bool moves = file->can_seek && buffer_length(&file->output) > 0;
    *closing = (CloseWork){{close_run, close_free, NULL, 0},
                           file->fd,
                           file->output,
                           moves ? buffer_length(&file->input) : 0,
                           file->lost};
    file->fd = -1;
    file->output = (Buffer){0};
    handle_close(&file->handle);
    return closing;
}

/*
** file:close() closes the file once a thread has written the output, and returns whether
** that has worked. It does not wait for a call that another task is making: that call ends
** with "CLOSED".
*/
static int close_method(lua_State *L) {
    File *file = file_check(L, SELF);
    Task *task = task_enter_now(L, file->handle.loop);
    if (task == NULL) return run_outside(L);
    if (!file->handle.open || file->job != NULL) {
        handle_close(&file->handle);
        lua_pushboolean(L, true);
        return 1;
    }
    lua_settop(L, SELF);
    handle_push_name(L, &file->handle);
    DiskCall *call = disk_call_new(L, task, "close", lua_tostring(L, CLOSE_NAME));
    CloseWork *closing = close_take(file);
    if (closing == NULL) {
        handle_close(&file->handle);
        return error_push(L, UV_ENOMEM, "close %s", lua_tostring(L, CLOSE_NAME));
    }
    return disk_call_wait(L, call, &closing->work, &close_wait);
}

/* Where Lua cannot yield, the file is closed as the collector does it. */
static int close_variable(lua_State *L) {
    File *file = file_check(L, SELF);
    lua_settop(L, SELF);
    if (lua_isyieldable(L) || file->handle.loop->running == NULL) return close_method(L);
    handle_close(&file->handle);
    return 0;
}

/* --- */

static const luaL_Reg functions[] = {
    {"fs_open", file_open_function},
    {"fs_temporary_file", file_open_temporary},
    {NULL, NULL},
};

/* Closing a file waits, unlike that of other objects. */
static void file_replace_close(lua_State *L) {
    lua_pushcfunction(L, close_method);
    lua_setfield(L, -2, "close");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &file_type);
    lua_pushcfunction(L, close_variable);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
}

void file_life_open(lua_State *L) {
    disk_call_open(L);
    luaL_setfuncs(L, functions, 0);
    lua_newtable(L);
    file_set_calls(L);
    file_set_reading(L);
    handle_define(L, &file_type);
    file_replace_close(L);
    lua_setfield(L, -2, "file_methods");
}
