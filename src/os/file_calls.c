/*
** Owns the calls of an open file besides reading: writing, moving the position, locks.
*/
#include "base/openers.h"

#include "base/error.h"
#include "os/file.h"
#include "system/file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { SELF = 1 };

/* What a call needs its one step for: it is made, then the call ends. */
static int file_make_once(lua_State *L, File *file, Task *task, const FileCall *call, FileStep step,
                          int64_t size, int whence) {
    if (task->progress++ == 0) return file_step(L, file, call, step, size, whence);
    if (file->status != 0) return file_call_fail(L, file, call, file->status);
    return 0;
}

static int file_end_with_true(lua_State *L, File *file, int results) {
    if (results > 0) return results;
    lua_pushboolean(L, true);
    return file_call_end(file, 1);
}

/* --- write --- */

/*
** Moves what fits of the arguments, from byte `skip` on, to the output. Returns how many
** bytes; SIZE_MAX: no memory.
*/
static size_t write_gather(lua_State *L, File *file, size_t skip) {
    enum { MOST = 1024 * 1024 };
    size_t moved = 0;
    for (int i = SELF + 1, last = lua_gettop(L); i <= last; i++) {
        size_t length, room = MOST - buffer_length(&file->output);
        const char *data = lua_tolstring(L, i, &length);
        if (skip >= length) {
            skip -= length;
            continue;
        }
        size_t count = length - skip < room ? length - skip : room;
        if (!buffer_append(&file->output, data + skip, count)) return SIZE_MAX;
        moved += count;
        if (count < length - skip) break;
        skip = 0;
    }
    return moved;
}

static bool write_is_due(const File *file) {
    size_t size = buffer_length(&file->output);
    if (size == 0) return false;
    if (size >= file->output_size || file->buffering == 'n') return true;
    return file->buffering == 'l' && memchr(buffer_data(&file->output), '\n', size) != NULL;
}

static int write_make(lua_State *L, File *file, Task *task, const FileCall *call) {
    if (file->status != 0) return file_call_fail(L, file, call, file->status);
    size_t moved = write_gather(L, file, task->progress);
    if (moved == SIZE_MAX) return file_call_fail(L, file, call, UV_ENOMEM);
    task->progress += moved;
    if (write_is_due(file)) return file_step(L, file, call, STEP_FLUSH, 0, 0);
    lua_settop(L, SELF);
    return file_call_end(file, 1);
}

static const FileCall write_call = {.wait = FILE_WAIT, .verb = "write", .make = write_make};

/* file:write(...) strings and numbers; returns the file. */
static int write_method(lua_State *L) {
    const File *file = file_check(L, SELF);
    for (int i = SELF + 1, last = lua_gettop(L); i <= last; i++)
        luaL_checklstring(L, i, NULL);
    if (file->handle.open && !(file->flags & FILE_WRITES))
        return handle_fail(L, &file->handle, "write", UV_EBADF);
    return file_call_begin(L, &write_call);
}

/* --- flush, sync, truncate, lock --- */

static int flush_make(lua_State *L, File *file, Task *task, const FileCall *call) {
    int results = file_make_once(L, file, task, call, STEP_FLUSH, 0, 0);
    if (results > 0) return results;
    lua_settop(L, SELF);
    return file_call_end(file, 1);
}

static int sync_make(lua_State *L, File *file, Task *task, const FileCall *call) {
    return file_end_with_true(L, file, file_make_once(L, file, task, call, STEP_SYNC, 0, 0));
}

static int truncate_make(lua_State *L, File *file, Task *task, const FileCall *call) {
    return file_end_with_true(L, file,
                              file_make_once(L, file, task, call, STEP_TRUNCATE,
                                             lua_tointeger(L, 2), 0));
}

static const char *const lock_kinds[] = {"unlock", "shared", "exclusive", NULL};

static int lock_make(lua_State *L, File *file, Task *task, const FileCall *call) {
    int kind = luaL_checkoption(L, 2, NULL, lock_kinds);
    return file_end_with_true(L, file, file_make_once(L, file, task, call, STEP_LOCK, kind, 0));
}

static const FileCall flush_call = {.wait = FILE_WAIT, .verb = "flush", .make = flush_make};
static const FileCall sync_call = {.wait = FILE_WAIT, .verb = "sync", .make = sync_make};
static const FileCall truncate_call = {.wait = FILE_WAIT,
                                       .verb = "truncate",
                                       .make = truncate_make};
static const FileCall lock_call = {.wait = FILE_WAIT, .verb = "lock", .make = lock_make};

/* file:flush() gives what was written to the system; returns the file. */
static int flush_method(lua_State *L) {
    file_check(L, SELF);
    return file_call_begin(L, &flush_call);
}

/* file:sync() writes it to the disk. */
static int sync_method(lua_State *L) {
    file_check(L, SELF);
    return file_call_begin(L, &sync_call);
}

/* file:truncate(size) */
static int truncate_method(lua_State *L) {
    file_check(L, SELF);
    args_integer(L, 2, 0, LUA_MAXINTEGER);
    return file_call_begin(L, &truncate_call);
}

/* file_lock(file, kind): "EAGAIN" if another has it. Lua's lock and unlock are built on it. */
static int file_lock_function(lua_State *L) {
    file_check(L, SELF);
    luaL_checkoption(L, 2, NULL, lock_kinds);
    return file_call_begin(L, &lock_call);
}

/* --- seek --- */

static int seek_whence(lua_State *L) {
    static const char *const names[] = {"set", "cur", "end", NULL};
    static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    return whences[luaL_checkoption(L, 2, "cur", names)];
}

static int seek_make(lua_State *L, File *file, Task *task, const FileCall *call) {
    int whence = seek_whence(L);
    int64_t offset = luaL_optinteger(L, 3, 0);
    bool reads_ahead = whence == SEEK_CUR && buffer_length(&file->output) == 0;
    if (reads_ahead) offset -= (int64_t)buffer_length(&file->input);
    int results = file_make_once(L, file, task, call, STEP_SEEK, offset, whence);
    if (results > 0) return results;
    lua_pushinteger(L, file->result);
    return file_call_end(file, 1);
}

static const FileCall seek_call = {.wait = FILE_WAIT, .verb = "seek", .make = seek_make};

/* file:seek([whence [, offset]]) the position from the start, in bytes. */
static int seek_method(lua_State *L) {
    file_check(L, SELF);
    seek_whence(L);
    luaL_optinteger(L, 3, 0);
    return file_call_begin(L, &seek_call);
}

/* --- what never waits --- */

/* file:setvbuf(mode [, size]) when written bytes go to the system: "no", "line", "full" (as many as `size`). */
static int setvbuf_method(lua_State *L) {
    static const char *const modes[] = {"no", "full", "line", NULL};
    File *file = file_check(L, SELF);
    char buffering = *modes[luaL_checkoption(L, 2, NULL, modes)];
    lua_Integer size = args_optional_integer(L, 3, 0, INT_MAX, FILE_BUFFER);
    if (!file->handle.open) return handle_fail(L, &file->handle, "setvbuf", ARSENAL_CLOSED);
    file->buffering = buffering;
    file->output_size = (size_t)size;
    lua_pushboolean(L, true);
    return 1;
}

/* --- */

static const luaL_Reg methods[] = {
    {"write", write_method},
    {"flush", flush_method},
    {"sync", sync_method},
    {"truncate", truncate_method},
    {"seek", seek_method},
    {"setvbuf", setvbuf_method},
    {NULL, NULL},
};

void file_set_calls(lua_State *L) {
    luaL_setfuncs(L, methods, 0);
}

void file_calls_open(lua_State *L) {
    lua_pushcfunction(L, file_lock_function);
    lua_setfield(L, -2, "file_lock");
}
