/*
** Owns watch objects: changes of a file, of a directory, or of a tree of directories.
*/
#include "base/openers.h"

#include "base/error.h"
#include "event/poller.h"
#include "event/run.h"
#include "object/handle.h"
#include "os/disk_call.h"
#include "system/inotify.h"

#include <stdlib.h>
#include <string.h>

typedef struct FileWatch {
    Handle handle;
    Poller poller;
    WatchTree *tree;
    char *path;
} FileWatch;

/* --- the object --- */

static void watch_close(Handle *handle) {
    FileWatch *watch = (FileWatch *)handle;
    poller_close(&watch->poller, ARSENAL_CLOSED);
    watch_tree_free(watch->tree);
    free(watch->path);
}

static void watch_describe(lua_State *L, const Handle *handle) {
    lua_pushstring(L, ((const FileWatch *)handle)->path);
}

static int watch_attempt(lua_State *L);

static int watch_watch(void *object, Waiter *waiter) {
    return poller_wait(&((FileWatch *)object)->poller, waiter, POLL_READ);
}

static const Selectable watch_selectable = {watch_attempt, watch_watch, NULL, NULL};

static const HandleType watch_type = {"file watch", "file watch",   KIND_FILE_WATCH,
                                      watch_close,  watch_describe, &watch_selectable};

enum { SELF = 1 };

static FileWatch *watch_check(lua_State *L) {
    return handle_check(L, SELF, &watch_type, 1);
}

/* --- wait --- */

/* name, event; a failure; or 0 results if nothing has happened yet. */
static int watch_take(lua_State *L, FileWatch *watch) {
    static const char *const changes[] = {"created", "changed", "removed", "overflow"};
    WatchChange change;
    const char *name;
    if (!watch->handle.open) return handle_fail(L, &watch->handle, "wait", ARSENAL_CLOSED);
    int taken = watch_tree_next(watch->tree, &change, &name);
    if (taken == UV_EAGAIN) {
        poller_exhausted(&watch->poller, POLL_READ);
        return 0;
    }
    if (taken < 0) return handle_fail(L, &watch->handle, "wait", taken);
    lua_pushstring(L, name);
    lua_pushstring(L, changes[change]);
    return 2;
}

static int watch_attempt(lua_State *L) {
    return watch_take(L, watch_check(L));
}

static int watch_resume(lua_State *L, Task *task);

static void watch_describe_wait(lua_State *L, Task *task) {
    handle_describe_wait(L, task->object, "waiting for");
}

static const WaitKind watch_wait = {watch_resume, NULL, watch_describe_wait};

static int watch_take_or_wait(lua_State *L, FileWatch *watch, Task *task) {
    int results = watch_take(L, watch);
    if (results > 0) return results;
    int status = poller_wait(&watch->poller, &task->waiter, POLL_READ);
    if (status != 0) return handle_fail(L, &watch->handle, "wait", status);
    return task_wait(L, task, &watch_wait, watch);
}

static int watch_resume(lua_State *L, Task *task) {
    return watch_take_or_wait(L, lua_touserdata(L, SELF), task);
}

/* watch:wait() the name of what has changed, and how: "created", "changed", "removed", "overflow". */
static int watch_wait_method(lua_State *L) {
    FileWatch *watch = watch_check(L);
    Task *task = task_enter(L, watch->handle.loop);
    if (task == NULL) return run_outside(L);
    lua_settop(L, SELF);
    return watch_take_or_wait(L, watch, task);
}

/* --- making one --- */

typedef struct WatchWork {
    DiskWork work;
    bool recursive;
    WatchTree *tree;
    char *path;
} WatchWork;

static int watch_run(DiskWork *work) {
    WatchWork *watching = container_of(work, WatchWork, work);
    return watch_tree_new(watching->path, watching->recursive, &watching->tree);
}

static void watch_free(DiskWork *work) {
    WatchWork *watching = container_of(work, WatchWork, work);
    if (watching->tree != NULL) watch_tree_free(watching->tree);
    free(watching->path);
    free(watching);
}

static WatchWork *watch_work_new(const char *path, bool recursive) {
    WatchWork *watching = calloc(1, sizeof *watching);
    if (watching == NULL) return NULL;
    *watching = (WatchWork){{watch_run, watch_free, NULL, 0}, recursive, NULL, strdup(path)};
    if (watching->path != NULL) return watching;
    free(watching);
    return NULL;
}

enum { PATH = 1, RECURSIVE, WATCH, CALL };

static int watch_step(lua_State *L, Task *task) {
    (void)task;
    DiskCall *call = lua_touserdata(L, CALL);
    FileWatch *watch = lua_touserdata(L, WATCH);
    WatchWork *watching = container_of(call->work, WatchWork, work);
    int status = disk_call_status(call);
    if (status == 0) {
        watch->tree = watching->tree;
        watch->path = watching->path;
        watching->tree = NULL;
        watching->path = NULL;
        poller_init(&watch->poller, watch->handle.loop, watch_tree_fd(watch->tree));
        handle_opened(&watch->handle);
    }
    disk_call_end(call);
    if (status != 0) return error_push(L, status, "watch %s", lua_tostring(L, PATH));
    lua_pushvalue(L, WATCH);
    return 1;
}

static const WaitKind watch_call_wait = {watch_step, disk_call_forget, disk_call_describe};

/* fs_watch(path, recursive): the path has no NUL. */
static int fs_watch(lua_State *L) {
    luaL_checkstring(L, PATH);
    Task *task = task_enter(L, loop_of(L));
    if (task == NULL) return run_outside(L);
    lua_settop(L, RECURSIVE);
    handle_new(L, &watch_type, sizeof(FileWatch), 0);
    DiskCall *call = disk_call_new(L, task, "watch", lua_tostring(L, PATH));
    WatchWork *watching = watch_work_new(lua_tostring(L, PATH), lua_toboolean(L, RECURSIVE));
    if (watching == NULL) return error_push(L, UV_ENOMEM, "watch %s", lua_tostring(L, PATH));
    return disk_call_wait(L, call, &watching->work, &watch_call_wait);
}

static const luaL_Reg methods[] = {
    {"wait", watch_wait_method},
    {NULL, NULL},
};

void file_watch_open(lua_State *L) {
    lua_pushcfunction(L, fs_watch);
    lua_setfield(L, -2, "fs_watch");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    handle_define(L, &watch_type);
    lua_pop(L, 1);
}
