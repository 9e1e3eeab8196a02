/*
** Owns the calls on paths: what a file is, what a directory contains, and changes of
** names, links and permissions. Each is one call of libuv's, or of system/, in a thread.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/buffer.h"
#include "base/error.h"
#include "event/run.h"
#include "os/disk_call.h"
#include "os/file.h"
#include "system/descriptor.h"
#include "system/file.h"
#include "system/file_tree.h"
#include "system/file_type.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

typedef struct PathKind PathKind;

typedef struct PathWork {
    DiskWork work;
    const PathKind *kind;
    uv_fs_t request; /* libuv's; its type is UV_UNKNOWN_REQ if there was none */
    int fd;          /* a copy of an open file's, or -1 */
    int number;      /* permissions */
    Buffer entries;  /* of a directory */
    char *other;     /* the second path, in `path` */
    char path[];
} PathWork;

struct PathKind {
    const char *function, *verb;
    int (*run)(PathWork *path);                 /* in a thread; returns a status */
    void (*push)(lua_State *L, PathWork *path); /* [-0, +1] the result; NULL: true */
};

static PathWork *path_work_of(DiskWork *work) {
    return container_of(work, PathWork, work);
}

/* --- in a thread --- */

static int path_stat(PathWork *path) {
    return uv_fs_stat(NULL, &path->request, path->path, NULL);
}

static int path_lstat(PathWork *path) {
    return uv_fs_lstat(NULL, &path->request, path->path, NULL);
}

static int path_fstat(PathWork *path) {
    return uv_fs_fstat(NULL, &path->request, path->fd, NULL);
}

/* Some file systems do not tell the type with the name. */
static char path_entry_type(const PathWork *path, const uv_dirent_t *entry) {
    static const char letters[] =
        {[UV_DIRENT_UNKNOWN] = '?', [UV_DIRENT_FILE] = 'f', [UV_DIRENT_DIR] = 'd',
         [UV_DIRENT_LINK] = 'l',    [UV_DIRENT_FIFO] = 'p', [UV_DIRENT_SOCKET] = 's',
         [UV_DIRENT_CHAR] = 'c',    [UV_DIRENT_BLOCK] = 'b'};
    char type = letters[entry->type];
    if (type == '?') type = file_type_at(path->path, entry->name);
    return type;
}

static int path_list(PathWork *path) {
    uv_dirent_t entry;
    int status = uv_fs_scandir(NULL, &path->request, path->path, 0, NULL);
    if (status < 0) return status;
    while (uv_fs_scandir_next(&path->request, &entry) != UV_EOF) {
        char type = path_entry_type(path, &entry);
        if (!buffer_append(&path->entries, &type, 1) ||
            !buffer_append(&path->entries, entry.name, strlen(entry.name) + 1))
            return UV_ENOMEM;
    }
    return 0;
}

static int path_mkdir(PathWork *path) {
    return uv_fs_mkdir(NULL, &path->request, path->path, path->number, NULL);
}

static int path_mkdir_parents(PathWork *path) {
    return file_tree_make(path->path, path->number);
}

static int path_remove(PathWork *path) {
    int status = uv_fs_unlink(NULL, &path->request, path->path, NULL);
    if (status != UV_EISDIR && status != UV_EPERM) return status;
    uv_fs_req_cleanup(&path->request);
    int removed = uv_fs_rmdir(NULL, &path->request, path->path, NULL);
    return removed == UV_ENOTDIR ? status : removed;
}

static int path_remove_tree(PathWork *path) {
    return file_tree_remove(path->path);
}

static int path_rename(PathWork *path) {
    return uv_fs_rename(NULL, &path->request, path->path, path->other, NULL);
}

static int path_copy(PathWork *path) {
    return uv_fs_copyfile(NULL, &path->request, path->path, path->other, 0, NULL);
}

static int path_link(PathWork *path) {
    return uv_fs_link(NULL, &path->request, path->path, path->other, NULL);
}

static int path_symlink(PathWork *path) {
    return uv_fs_symlink(NULL, &path->request, path->path, path->other, 0, NULL);
}

static int path_readlink(PathWork *path) {
    return uv_fs_readlink(NULL, &path->request, path->path, NULL);
}

static int path_realpath(PathWork *path) {
    return uv_fs_realpath(NULL, &path->request, path->path, NULL);
}

static int path_chmod(PathWork *path) {
    return uv_fs_chmod(NULL, &path->request, path->path, path->number, NULL);
}

static int path_temporary_directory(PathWork *path) {
    return uv_fs_mkdtemp(NULL, &path->request, path->path, NULL);
}

/* --- results --- */

static void stat_set_integer(lua_State *L, const char *name, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void stat_set_time(lua_State *L, const char *name, const uv_timespec_t *time) {
    lua_pushnumber(L, (lua_Number)time->tv_sec + (lua_Number)time->tv_nsec * 1e-9);
    lua_setfield(L, -2, name);
}

static void path_push_stat(lua_State *L, PathWork *path) {
    const uv_stat_t *stat = &path->request.statbuf;
    lua_createtable(L, 0, 11);
    lua_pushstring(L, file_type_name((unsigned)stat->st_mode));
    lua_setfield(L, -2, "type");
    stat_set_integer(L, "mode", stat->st_mode & 07777);
    stat_set_integer(L, "size", stat->st_size);
    stat_set_integer(L, "user", stat->st_uid);
    stat_set_integer(L, "group", stat->st_gid);
    stat_set_integer(L, "links", stat->st_nlink);
    stat_set_integer(L, "inode", stat->st_ino);
    stat_set_integer(L, "device", stat->st_dev);
    stat_set_time(L, "accessed", &stat->st_atim);
    stat_set_time(L, "modified", &stat->st_mtim);
    stat_set_time(L, "changed", &stat->st_ctim);
}

static void path_push_entries(lua_State *L, PathWork *path) {
    lua_pushlstring(L, buffer_data(&path->entries), buffer_length(&path->entries));
}

static void path_push_text(lua_State *L, PathWork *path) {
    lua_pushstring(L, path->request.ptr);
}

static void path_push_directory(lua_State *L, PathWork *path) {
    lua_pushstring(L, path->request.path);
}

static const PathKind kinds[] = {
    {"fs_stat", "stat", path_stat, path_push_stat},
    {"fs_lstat", "lstat", path_lstat, path_push_stat},
    {"fs_list", "list", path_list, path_push_entries},
    {"fs_mkdir", "mkdir", path_mkdir, NULL},
    {"fs_mkdir_parents", "mkdir", path_mkdir_parents, NULL},
    {"fs_remove", "remove", path_remove, NULL},
    {"fs_remove_tree", "remove", path_remove_tree, NULL},
    {"fs_rename", "rename", path_rename, NULL},
    {"fs_copy", "copy", path_copy, NULL},
    {"fs_link", "link", path_link, NULL},
    {"fs_symlink", "symlink", path_symlink, NULL},
    {"fs_readlink", "readlink", path_readlink, path_push_text},
    {"fs_realpath", "realpath", path_realpath, path_push_text},
    {"fs_chmod", "chmod", path_chmod, NULL},
    {"fs_temporary_directory", "temporary", path_temporary_directory, path_push_directory},
};

/* --- the calls --- */

enum { PATH = 1, OTHER, NUMBER, CALL };

static int path_run(DiskWork *work) {
    PathWork *path = path_work_of(work);
    int status = path->kind->run(path);
    return status < 0 ? status : 0;
}

static void path_free(DiskWork *work) {
    PathWork *path = path_work_of(work);
    if (path->request.type != UV_UNKNOWN_REQ) uv_fs_req_cleanup(&path->request);
    if (path->fd >= 0) file_close(path->fd);
    buffer_free(&path->entries);
    free(path);
}

static PathWork *path_new(lua_State *L, const PathKind *kind) {
    size_t size, other_size;
    const char *first = lua_tolstring(L, PATH, &size);
    const char *second = luaL_optlstring(L, OTHER, "", &other_size);
    PathWork *path = calloc(1, sizeof *path + size + other_size + 2);
    if (path == NULL) return NULL;
    path->work = (DiskWork){path_run, path_free, NULL, 0};
    path->kind = kind;
    path->number = (int)lua_tointeger(L, NUMBER);
    path->fd = -1;
    path->other = path->path + size + 1;
    memcpy(path->path, first, size);
    memcpy(path->other, second, other_size);
    return path;
}

static int path_fail(lua_State *L, const PathKind *kind, int status) {
    const char *path = lua_tostring(L, PATH);
    if (!lua_isstring(L, OTHER)) return error_push(L, status, "%s %s", kind->verb, path);
    return error_push(L, status, "%s %s to %s", kind->verb, path, lua_tostring(L, OTHER));
}

static int path_step(lua_State *L, Task *task) {
    (void)task;
    DiskCall *call = lua_touserdata(L, CALL);
    PathWork *path = path_work_of(call->work);
    const PathKind *kind = path->kind;
    int status = disk_call_status(call);
    if (status == 0 && kind->push != NULL)
        kind->push(L, path);
    else
        lua_pushboolean(L, true);
    disk_call_end(call);
    return status == 0 ? 1 : path_fail(L, kind, status);
}

static const WaitKind path_wait = {path_step, disk_call_forget, disk_call_describe};

/* fs_...(path [, other [, number]]): the paths have no NUL. The upvalue is the kind. */
static int path_call(lua_State *L) {
    const PathKind *kind = lua_touserdata(L, lua_upvalueindex(1));
    luaL_checkstring(L, PATH);
    luaL_optstring(L, OTHER, NULL);
    luaL_optinteger(L, NUMBER, 0);
    Task *task = task_enter(L, loop_of(L));
    if (task == NULL) return run_outside(L);
    lua_settop(L, NUMBER);
    DiskCall *call = disk_call_new(L, task, kind->verb, lua_tostring(L, PATH));
    PathWork *path = path_new(L, kind);
    if (path == NULL) return path_fail(L, kind, UV_ENOMEM);
    return disk_call_wait(L, call, &path->work, &path_wait);
}

/* file_stat(file): its descriptor may be closed while a thread asks, so the thread has a copy. */
static int path_file_stat(lua_State *L) {
    static const PathKind kind = {"file_stat", "stat", path_fstat, path_push_stat};
    const File *file = file_check(L, PATH);
    Task *task = task_enter(L, file->handle.loop);
    if (task == NULL) return run_outside(L);
    if (!file->handle.open) return handle_fail(L, &file->handle, "stat", ARSENAL_CLOSED);
    lua_settop(L, PATH);
    handle_push_name(L, &file->handle);
    lua_replace(L, PATH);
    lua_settop(L, NUMBER);
    DiskCall *call = disk_call_new(L, task, kind.verb, lua_tostring(L, PATH));
    PathWork *path = path_new(L, &kind);
    if (path == NULL) return path_fail(L, &kind, UV_ENOMEM);
    path->fd = descriptor_copy(file->fd);
    return disk_call_wait(L, call, &path->work, &path_wait);
}

void fs_path_open(lua_State *L) {
    lua_pushcfunction(L, path_file_stat);
    lua_setfield(L, -2, "file_stat");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        lua_pushlightuserdata(L, (void *)&kinds[i]);
        lua_pushcclosure(L, path_call, 1);
        lua_setfield(L, -2, kinds[i].function);
    }
}
