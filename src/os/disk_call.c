/*
** Owns the way of work to a thread and back, and what happens to it if nobody waits
** for it any more: its call was cancelled, or the loop is closed.
*/
#include "os/disk_call.h"

#include "base/error.h"
#include "event/thread_pool.h"
#include "os/file_rescue.h"

#include <lauxlib.h>
#include <stdlib.h>

typedef struct DiskJob {
    Job job;
    DiskWork *work; /* NULL: the call has it */
    DiskCall *call; /* NULL: it was given up */
} DiskJob;

/* The calls of a loop that have work. */
typedef struct DiskPart {
    LoopPart part;
    List calls;
} DiskPart;

static const char disk_key;
static const char disk_call_name[] = "arsenal.disk_call";

/* --- the job --- */

static void disk_job_run(Job *job) {
    DiskWork *work = container_of(job, DiskJob, job)->work;
    work->status = work->run(work);
}

static void disk_job_done(Job *job) {
    DiskJob *disk = container_of(job, DiskJob, job);
    DiskCall *call = disk->call;
    call->work = disk->work;
    call->job = NULL;
    disk->work = NULL;
    Waiter *waiter = wait_queue_first(&call->waiting);
    if (waiter != NULL) waiter_wake(waiter, 0);
}

static void disk_job_free(Job *job) {
    DiskJob *disk = container_of(job, DiskJob, job);
    if (disk->work != NULL) disk->work->free(disk->work);
    free(disk);
}

static int disk_job_submit(DiskCall *call, DiskWork *work) {
    DiskJob *disk = calloc(1, sizeof *disk);
    if (disk == NULL) return UV_ENOMEM;
    disk->job = (Job){.pool = POOL_OF_FILES,
                      .run = disk_job_run,
                      .done = disk_job_done,
                      .free = disk_job_free};
    disk->work = work;
    disk->call = call;
    int status = thread_pool_submit(call->task->loop, &disk->job);
    if (status != 0) {
        free(disk);
        return status;
    }
    call->job = disk;
    call->work = NULL;
    return 0;
}

/* --- the calls --- */

static bool disk_call_has_work(const DiskCall *call) {
    return call->work != NULL || call->job != NULL;
}

static void disk_call_drop(DiskCall *call) {
    DiskJob *disk = call->job;
    DiskWork *work = disk != NULL ? disk->work : call->work;
    call->job = NULL;
    call->work = NULL;
    if (work->abandon != NULL) work->abandon(work);
    if (disk != NULL)
        thread_pool_forget(&disk->job);
    else
        work->free(work);
}

/* The loop's jobs are closed after this. */
static void disk_close(LoopPart *part, Loop *loop) {
    List *calls = &container_of(part, DiskPart, part)->calls;
    (void)loop;
    while (calls->first != NULL) {
        DiskCall *call = container_of(calls->first, DiskCall, node);
        list_remove(calls, &call->node);
        call->listed = false;
        disk_call_drop(call);
    }
    file_rescue_wait();
    free(part);
}

/* Lists the call, so that it is given up when the loop is closed. Returns 0 or a status. */
static int disk_call_enlist(DiskCall *call) {
    Loop *loop = call->task->loop;
    if (call->listed) return 0;
    int status = thread_pool_prepare(loop);
    if (status != 0) return status;
    DiskPart *disk = loop_need_part(loop, &disk_key, sizeof *disk, disk_close);
    if (disk == NULL) return UV_ENOMEM;
    list_append(&disk->calls, &call->node);
    call->listed = true;
    return 0;
}

void disk_call_end(DiskCall *call) {
    if (call->listed) {
        DiskPart *disk = loop_part(call->task->loop, &disk_key);
        list_remove(&disk->calls, &call->node);
        call->listed = false;
    }
    if (disk_call_has_work(call)) disk_call_drop(call);
}

void disk_call_forget(Task *task) {
    disk_call_end(task->object);
}

void disk_call_describe(lua_State *L, Task *task) {
    const DiskCall *call = task->object;
    lua_pushfstring(L, "waiting for a thread: %s %s", call->verb, call->path);
}

/*
** Of a call that has work nobody has taken. User code may have closed the coroutine in
** which the task waits for it.
*/
void disk_call_finalize(DiskCall *call) {
    if (!disk_call_has_work(call)) return;
    Task *task = call->task;
    if (task->loop->forked) return; /* the locks may be those of a thread that is not here */
    if (task->loop->closed) {
        disk_call_drop(call);
        return;
    }
    bool is_awaited = task->object == call;
    if (is_awaited) task->object = NULL;
    if (!wait_queue_is_empty(&call->waiting)) waiter_leave(&task->waiter);
    disk_call_end(call);
    if (is_awaited) waiter_wake(&task->waiter, ARSENAL_CLOSED);
}

static int disk_call_gc(lua_State *L) {
    disk_call_finalize(lua_touserdata(L, 1));
    return 0;
}

void disk_call_init(DiskCall *call, Task *task) {
    *call = (DiskCall){.task = task};
}

DiskCall *disk_call_new(lua_State *L, Task *task, const char *verb, const char *path) {
    DiskCall *call = lua_newuserdatauv(L, sizeof *call, 1);
    disk_call_init(call, task);
    call->verb = verb;
    call->path = path;
    luaL_setmetatable(L, disk_call_name);
    return call;
}

int disk_call_wait(lua_State *L, DiskCall *call, DiskWork *work, const WaitKind *kind) {
    Task *task = call->task;
    call->work = work;
    int status = disk_call_enlist(call);
    if (status == 0) status = disk_job_submit(call, work);
    if (status != 0) {
        work->status = task->status = status;
        return kind->step(L, task);
    }
    waiter_join(&task->waiter, &call->waiting, &task->loop->external_waiters);
    return task_wait(L, task, kind, call);
}

int disk_call_status(const DiskCall *call) {
    return call->task->status != 0 ? call->task->status : call->work->status;
}

void disk_call_open(lua_State *L) {
    luaL_newmetatable(L, disk_call_name);
    lua_pushcfunction(L, disk_call_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
