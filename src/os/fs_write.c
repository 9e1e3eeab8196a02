/*
** Owns fs.write: a string as the whole contents of a file, or behind them. The string
** is Lua's: a thread copies a piece of it at a time, and none once nobody waits.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/run.h"
#include "os/disk_call.h"
#include "system/file.h"
#include "system/file_replace.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_SIZE = 256 * 1024 };

typedef enum WriteWay { WRITE_REPLACES, WRITE_APPENDS, WRITE_ATOMIC } WriteWay;

typedef struct WriteWork {
    DiskWork work;
    WriteWay way;
    int mode;
    uv_mutex_t lock;  /* guards `data` */
    const char *data; /* NULL: nobody waits for it any more */
    size_t size;
    char path[];
} WriteWork;

static WriteWork *write_work_of(DiskWork *work) {
    return container_of(work, WriteWork, work);
}

/* --- in a thread --- */

static bool write_copy(WriteWork *write, size_t at, char *piece, size_t size) {
    uv_mutex_lock(&write->lock);
    bool is_wanted = write->data != NULL;
    if (is_wanted) memcpy(piece, write->data + at, size);
    uv_mutex_unlock(&write->lock);
    return is_wanted;
}

static int write_data(WriteWork *write, int fd) {
    int status = 0;
    size_t at = 0;
    char *piece = malloc(PIECE_SIZE);
    if (piece == NULL) return UV_ENOMEM;
    while (status == 0 && at < write->size) {
        size_t size = write->size - at < PIECE_SIZE ? write->size - at : PIECE_SIZE;
        status = write_copy(write, at, piece, size) ? file_write(fd, piece, size) : UV_ECANCELED;
        at += size;
    }
    free(piece);
    return status;
}

static int write_in_place(WriteWork *write) {
    unsigned way = write->way == WRITE_APPENDS ? FILE_APPENDS : FILE_EMPTIES;
    int fd = file_open(write->path, FILE_WRITES | FILE_CREATES | way, write->mode);
    if (fd < 0) return fd;
    int status = write_data(write, fd), ended = file_end(fd);
    return status != 0 ? status : ended;
}

static int write_atomic(WriteWork *write) {
    FileReplacement replacement;
    int status = file_replace_begin(&replacement, write->path, write->mode);
    if (status != 0) return status;
    return file_replace_end(&replacement, write_data(write, replacement.fd));
}

static int write_run(DiskWork *work) {
    WriteWork *write = write_work_of(work);
    return write->way == WRITE_ATOMIC ? write_atomic(write) : write_in_place(write);
}

static void write_free(DiskWork *work) {
    WriteWork *write = write_work_of(work);
    uv_mutex_destroy(&write->lock);
    free(write);
}

/* --- in the loop's thread --- */

static void write_abandon(DiskWork *work) {
    WriteWork *write = write_work_of(work);
    uv_mutex_lock(&write->lock);
    write->data = NULL;
    uv_mutex_unlock(&write->lock);
}

static WriteWork *write_new(const char *path, WriteWay way, int mode) {
    WriteWork *write = calloc(1, sizeof *write + strlen(path) + 1);
    if (write == NULL) return NULL;
    write->work = (DiskWork){write_run, write_free, write_abandon, 0};
    write->way = way;
    write->mode = mode;
    strcpy(write->path, path);
    if (uv_mutex_init(&write->lock) == 0) return write;
    free(write);
    return NULL;
}

enum { PATH = 1, DATA, WAY, MODE, CALL };

static int write_fail(lua_State *L, int status) {
    return error_push(L, status, "write %s", lua_tostring(L, PATH));
}

static int write_step(lua_State *L, Task *task) {
    (void)task;
    DiskCall *call = lua_touserdata(L, CALL);
    int status = disk_call_status(call);
    disk_call_end(call);
    if (status != 0) return write_fail(L, status);
    lua_pushboolean(L, true);
    return 1;
}

static const WaitKind write_wait = {write_step, disk_call_forget, disk_call_describe};

/* fs_write(path, data, way, mode): way is "replace", "append" or "atomic". The path has no NUL. */
static int fs_write(lua_State *L) {
    static const char *const ways[] = {"replace", "append", "atomic", NULL};
    size_t size;
    const char *path = luaL_checkstring(L, PATH);
    luaL_checklstring(L, DATA, NULL);
    WriteWay way = (WriteWay)luaL_checkoption(L, WAY, NULL, ways);
    int mode = (int)args_integer(L, MODE, 0, 07777);
    Task *task = task_enter(L, loop_of(L));
    if (task == NULL) return run_outside(L);
    lua_settop(L, MODE);
    DiskCall *call = disk_call_new(L, task, "write", path);
    lua_pushvalue(L, DATA);
    lua_setiuservalue(L, CALL, 1); /* the string lives as long as the call */
    WriteWork *write = write_new(path, way, mode);
    if (write == NULL) return write_fail(L, UV_ENOMEM);
    write->data = lua_tolstring(L, DATA, &size);
    write->size = size;
    return disk_call_wait(L, call, &write->work, &write_wait);
}

void fs_write_open(lua_State *L) {
    lua_pushcfunction(L, fs_write);
    lua_setfield(L, -2, "fs_write");
}
