/*
** Owns fs.read: the whole contents of a file as one string. A thread reads a long
** file into the memory of the string, so that the loop never copies it.
*/
#include "base/openers.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/string_block.h"
#include "event/run.h"
#include "os/disk_call.h"
#include "system/file.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_SIZE = 128 * 1024, PIECE_SIZE = 256 * 1024 };

typedef struct ReadWork {
    DiskWork work;
    uint64_t max;
    int fd; /* -1: it is not open */
    bool at_end;
    int64_t size;      /* of the file, when it was opened */
    size_t head_size;  /* bytes in `head` */
    uv_mutex_t lock;   /* guards the next two: the memory of the block is Lua's */
    StringBlock block; /* has the bytes from the first on */
    bool abandoned;
    size_t filled; /* bytes in the block */
    Buffer rest;   /* the bytes after the block, of a file that has grown */
    char *head;    /* HEAD_SIZE bytes */
    char path[];
} ReadWork;

static ReadWork *read_work_of(DiskWork *work) {
    return container_of(work, ReadWork, work);
}

/* --- in a thread --- */

/* Reads until `size` bytes have come, or the end. */
static int read_fill(ReadWork *read, char *data, size_t size, size_t *count) {
    *count = 0;
    while (*count < size && !read->at_end) {
        ptrdiff_t more = file_read(read->fd, data + *count, size - *count);
        if (more < 0) return (int)more;
        if (more == 0) read->at_end = true;
        *count += (size_t)more;
    }
    return 0;
}

static int read_run_head(DiskWork *work) {
    ReadWork *read = read_work_of(work);
    read->fd = file_open(read->path, FILE_READS, 0);
    if (read->fd < 0) return read->fd;
    read->size = file_size(read->fd);
    int status = read_fill(read, read->head, HEAD_SIZE, &read->head_size);
    return status == 0 && read->head_size > read->max ? ARSENAL_TOOLONG : status;
}

/* Puts a piece behind what was read before. Returns false without memory, or if nobody waits for it. */
static bool read_keep(ReadWork *read, const char *piece, size_t size) {
    size_t room = 0;
    uv_mutex_lock(&read->lock);
    bool is_wanted = !read->abandoned;
    if (is_wanted) {
        room = read->block.size - read->filled;
        if (room > size) room = size;
        memcpy(read->block.data + read->filled, piece, room);
        read->filled += room;
    }
    uv_mutex_unlock(&read->lock);
    return is_wanted && buffer_append(&read->rest, piece + room, size - room);
}

static int read_run_rest(DiskWork *work) {
    ReadWork *read = read_work_of(work);
    size_t count;
    int status = 0;
    char *piece = malloc(PIECE_SIZE);
    if (piece == NULL || !read_keep(read, read->head, read->head_size)) status = UV_ENOMEM;
    while (status == 0 && !read->at_end) {
        status = read_fill(read, piece, PIECE_SIZE, &count);
        if (status == 0 && !read_keep(read, piece, count)) status = UV_ENOMEM;
        if (read->filled + buffer_length(&read->rest) > read->max) status = ARSENAL_TOOLONG;
    }
    free(piece);
    return status;
}

static void read_free(DiskWork *work) {
    ReadWork *read = read_work_of(work);
    if (read->fd >= 0) file_close(read->fd);
    uv_mutex_destroy(&read->lock);
    buffer_free(&read->rest);
    free(read->head);
    free(read);
}

/* --- in the loop's thread --- */

static void read_abandon(DiskWork *work) {
    ReadWork *read = read_work_of(work);
    uv_mutex_lock(&read->lock);
    read->abandoned = true;
    string_block_free(&read->block);
    uv_mutex_unlock(&read->lock);
}

static ReadWork *read_new(const char *path, uint64_t max) {
    ReadWork *read = calloc(1, sizeof *read + strlen(path) + 1);
    if (read == NULL) return NULL;
    read->work = (DiskWork){read_run_head, read_free, read_abandon, 0};
    read->max = max;
    read->fd = -1;
    strcpy(read->path, path);
    read->head = malloc(HEAD_SIZE);
    if (read->head != NULL && uv_mutex_init(&read->lock) == 0) return read;
    free(read->head);
    free(read);
    return NULL;
}

enum { PATH = 1, MAX, CALL };

static int read_fail(lua_State *L, DiskCall *call, int status) {
    if (call != NULL) disk_call_end(call);
    if (status == ARSENAL_TOOLONG)
        return error_push_reason(L, status,
                                 lua_pushfstring(L, "read %s: it has more than %I bytes",
                                                 lua_tostring(L, PATH),
                                                 (LUAI_UACINT)lua_tointeger(L, MAX)));
    return error_push(L, status, "read %s", lua_tostring(L, PATH));
}

static int read_step_rest(lua_State *L, Task *task) {
    (void)task;
    DiskCall *call = lua_touserdata(L, CALL);
    ReadWork *read = read_work_of(call->work);
    int status = disk_call_status(call);
    if (status != 0) return read_fail(L, call, status);
    string_block_push(L, &read->block, read->filled);
    if (buffer_length(&read->rest) > 0) {
        lua_pushlstring(L, buffer_data(&read->rest), buffer_length(&read->rest));
        lua_concat(L, 2);
    }
    disk_call_end(call);
    return 1;
}

static const WaitKind rest_wait = {read_step_rest, disk_call_forget, disk_call_describe};

/* The first bytes are there: all, or a thread reads the others into the string's memory. */
static int read_step_head(lua_State *L, Task *task) {
    (void)task;
    DiskCall *call = lua_touserdata(L, CALL);
    ReadWork *read = read_work_of(call->work);
    int status = disk_call_status(call);
    if (status != 0) return read_fail(L, call, status);
    if (read->at_end) {
        lua_pushlstring(L, read->head, read->head_size);
        disk_call_end(call);
        return 1;
    }
    uint64_t size = read->size > HEAD_SIZE ? (uint64_t)read->size : HEAD_SIZE;
    if (size > read->max) return read_fail(L, call, ARSENAL_TOOLONG);
    if (!string_block_new(L, &read->block, (size_t)size)) return read_fail(L, call, UV_ENOMEM);
    read->work.run = read_run_rest;
    return disk_call_wait(L, call, &read->work, &rest_wait);
}

static const WaitKind head_wait = {read_step_head, disk_call_forget, disk_call_describe};

/* fs_read(path, max): the contents of the file; "TOOLONG" beyond `max` bytes. The path has no NUL. */
static int fs_read(lua_State *L) {
    const char *path = luaL_checkstring(L, PATH);
    uint64_t max = (uint64_t)args_optional_integer(L, MAX, 0, LUA_MAXINTEGER, LUA_MAXINTEGER);
    Task *task = task_enter(L, loop_of(L));
    if (task == NULL) return run_outside(L);
    lua_settop(L, MAX);
    DiskCall *call = disk_call_new(L, task, "read", path);
    ReadWork *read = read_new(path, max);
    if (read == NULL) return read_fail(L, NULL, UV_ENOMEM);
    return disk_call_wait(L, call, &read->work, &head_wait);
}

void fs_read_open(lua_State *L) {
    lua_pushcfunction(L, fs_read);
    lua_setfield(L, -2, "fs_read");
}
