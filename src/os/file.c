/*
** Owns the file object: whose call it is, the job that a thread does for it, and
** how it is closed. A job that was begun for a call that is cancelled goes on, and
** the next call waits for it: what it has read stays in the file.
*/
#include "os/file.h"

#include "base/error.h"
#include "base/error_object.h"
#include "event/run.h"
#include "event/thread_pool.h"
#include "os/file_rescue.h"
#include "system/file.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct FileJob {
    Job job;
    File *file; /* NULL: it was closed, and the job closes the descriptor */
    int fd;
    Buffer output; /* to write first */
    size_t back;   /* how far the position is behind the input: it is moved back before a write */
    FileStep step;
    int64_t size; /* of what is read; an offset; a size; a kind of lock */
    int whence;
    Buffer input; /* what was read */
    char *room;   /* in it */
    int status;
    bool has_begun; /* a thread has taken it */
    bool has_failed_to_write;
    int64_t result;
} FileJob;

static FileJob *file_job_of(Job *job) {
    return container_of(job, FileJob, job);
}

/* --- in a thread --- */

static int file_job_write(FileJob *job) {
    int status = 0;
    if (job->back > 0) {
        int64_t position = file_seek(job->fd, -(int64_t)job->back, SEEK_CUR);
        if (position < 0) status = (int)position;
    }
    if (status == 0)
        status = file_write(job->fd, buffer_data(&job->output), buffer_length(&job->output));
    return status;
}

static int64_t file_job_make_step(FileJob *job) {
    switch (job->step) {
    case STEP_READ:
        return file_read(job->fd, job->room, (size_t)job->size);
    case STEP_SEEK:
        return file_seek(job->fd, job->size, job->whence);
    case STEP_SYNC:
        return file_sync(job->fd);
    case STEP_TRUNCATE:
        return file_truncate(job->fd, job->size);
    case STEP_LOCK:
        return file_lock(job->fd, (int)job->size);
    case STEP_SIZE:
        return file_size(job->fd);
    default:
        return 0;
    }
}

static void file_job_run(Job *pool_job) {
    FileJob *job = file_job_of(pool_job);
    job->has_begun = true;
    if (buffer_length(&job->output) > 0) job->status = file_job_write(job);
    buffer_free(&job->output);
    job->has_failed_to_write = job->status != 0;
    if (job->status == 0) job->result = file_job_make_step(job);
    if (job->result < 0) job->status = (int)job->result;
}

/* --- in the loop's thread --- */

/* What a job that no thread has begun was to write is the file's again. */
static void file_job_give_back(FileJob *job) {
    buffer_free(&job->file->output);
    job->file->output = job->output;
    job->output = (Buffer){0};
}

static void file_job_free(Job *pool_job) {
    FileJob *job = file_job_of(pool_job);
    if (job->file == NULL)
        file_rescue(job->fd, &job->output, job->back);
    else if (!job->has_begun)
        file_job_give_back(job);
    buffer_free(&job->input);
    buffer_free(&job->output);
    free(job);
}

/*
** If the call was cancelled before its lock came, the lock that the file had is set again,
** which does not block. A lock of another kind is given up before the new one is asked for,
** so after UV_EAGAIN the file has none.
*/
static void file_apply_lock(File *file, const FileJob *job) {
    bool is_lost = job->status == 0 && job->size != FILE_UNLOCK && file->owner == NULL;
    if (is_lost)
        file_lock(file->fd, file->locked);
    else if (job->status == 0)
        file->locked = (int)job->size;
    else if (job->status == UV_EAGAIN)
        file->locked = FILE_UNLOCK;
}

/* What the job has done to the file. */
static void file_apply(File *file, FileJob *job) {
    file->status = job->status;
    file->result = job->result;
    if (job->has_failed_to_write && file->owner == NULL) file->lost = job->status;
    bool has_moved = job->step == STEP_SEEK && job->status == 0;
    if (job->back > 0 || has_moved) {
        buffer_free(&file->input);
        file->taken = file->searched = 0;
    }
    if (job->step == STEP_LOCK) file_apply_lock(file, job);
    if (job->step != STEP_READ || job->status != 0) return;
    if (job->result == 0) file->at_end = true;
    buffer_added(&job->input, (size_t)job->result);
    if (buffer_length(&file->input) == 0) {
        buffer_free(&file->input);
        file->input = job->input;
        job->input = (Buffer){0};
    } else if (!buffer_append(&file->input, buffer_data(&job->input), (size_t)job->result)) {
        file->status = UV_ENOMEM;
        file->lost = UV_ENOMEM; /* bytes are missing from here on */
    }
}

static void file_pass_turn(File *file) {
    Waiter *next;
    file->owner = NULL;
    file->taken = file->searched = 0;
    file->at_end = false;
    file->status = 0;
    while (file->owner == NULL && file->job == NULL &&
           (next = wait_queue_first(&file->turns)) != NULL) {
        if (waiter_wake(next, 0))
            file->owner = next->task;
        else
            waiter_leave(next);
    }
}

static void file_job_done(Job *pool_job) {
    FileJob *job = file_job_of(pool_job);
    File *file = job->file;
    if (file == NULL) return;
    file->job = NULL;
    file_apply(file, job);
    Waiter *waiter = wait_queue_first(&file->waiting);
    if (waiter != NULL)
        waiter_wake(waiter, 0);
    else
        file_pass_turn(file);
}

/* --- calls, one at a time --- */

static int file_call_failed(lua_State *L, const FileCall *call) {
    return call->raises ? error_object_raise(L, 1) : 3;
}

static int file_call_refuse(lua_State *L, const File *file, const FileCall *call, int status) {
    handle_fail(L, &file->handle, call->verb, status);
    return file_call_failed(L, call);
}

int file_call_end(File *file, int results) {
    buffer_drop(&file->input, file->taken);
    file_pass_turn(file);
    return results;
}

int file_call_fail(lua_State *L, File *file, const FileCall *call, int status) {
    file_pass_turn(file);
    return file_call_refuse(L, file, call, status);
}

/* If a write has failed after its call was cancelled, the next call returns that failure. */
static int file_call_on_turn(lua_State *L, File *file, const FileCall *call, Task *task) {
    int lost = file->lost;
    file->lost = 0;
    if (lost != 0) return file_call_fail(L, file, call, lost);
    return call->make(L, file, task, call);
}

int file_call_resume(lua_State *L, Task *task) {
    File *file = lua_touserdata(L, 1);
    const FileCall *call = container_of(task->kind, FileCall, wait);
    if (!file->handle.open) return file_call_refuse(L, file, call, ARSENAL_CLOSED);
    return file_call_on_turn(L, file, call, task);
}

/* A job that no thread has begun is taken back. Any other is the thread's, and is not touched. */
static void file_take_back(File *file) {
    if (thread_pool_withdraw(&file->job->job)) file->job = NULL;
}

void file_call_forget(Task *task) {
    File *file = task->object;
    if (file->owner != task) return;
    if (file->job != NULL) file_take_back(file);
    file_pass_turn(file);
}

void file_call_describe(lua_State *L, Task *task) {
    const FileCall *call = container_of(task->kind, FileCall, wait);
    handle_push_name(L, task->object);
    lua_pushfstring(L, "waiting for a thread: %s %s", call->verb, lua_tostring(L, -1));
    lua_replace(L, -2);
}

int file_call_begin(lua_State *L, const FileCall *call) {
    File *file = lua_touserdata(L, 1);
    Task *task = task_enter(L, file->handle.loop);
    if (task == NULL) return run_outside(L);
    if (!file->handle.open) return file_call_refuse(L, file, call, ARSENAL_CLOSED);
    if (file->owner == NULL && file->job == NULL) {
        file->owner = task;
        file->status = 0;
        return file_call_on_turn(L, file, call, task);
    }
    waiter_join(&task->waiter, &file->turns, &task->loop->external_waiters);
    return task_wait(L, task, &call->wait, file);
}

static FileJob *file_job_new(File *file, FileStep step, int64_t size, int whence) {
    FileJob *job = calloc(1, sizeof *job);
    if (job == NULL) return NULL;
    job->job = (Job){.pool = POOL_OF_FILES,
                     .run = file_job_run,
                     .done = file_job_done,
                     .free = file_job_free};
    job->file = file;
    job->fd = file->fd;
    job->step = step;
    job->size = size;
    job->whence = whence;
    if (file->can_seek && buffer_length(&file->output) > 0) job->back = buffer_length(&file->input);
    if (step == STEP_READ) job->room = buffer_reserve(&job->input, (size_t)size);
    if (step != STEP_READ || job->room != NULL) return job;
    free(job);
    return NULL;
}

int file_step(lua_State *L, File *file, const FileCall *call, FileStep step, int64_t size,
              int whence) {
    Task *task = file->owner;
    FileJob *job = file_job_new(file, step, size, whence);
    if (job == NULL) return file_call_fail(L, file, call, UV_ENOMEM);
    job->output = file->output;
    file->output = (Buffer){0};
    int status = thread_pool_submit(task->loop, &job->job);
    if (status != 0) {
        file_job_free(&job->job);
        return file_call_fail(L, file, call, status);
    }
    file->job = job;
    waiter_join(&task->waiter, &file->waiting, &task->loop->external_waiters);
    return task_wait(L, task, &call->wait, file);
}

/* --- the open files of a loop --- */

typedef struct FilePart {
    LoopPart part;
    List files;
} FilePart;

static const char file_key;

/* What no thread has begun is taken back; a job that runs closes the descriptor itself. */
static void file_part_close(LoopPart *part, Loop *loop) {
    List *files = &container_of(part, FilePart, part)->files;
    (void)loop;
    for (ListNode *node = files->first; node != NULL; node = list_next(files, node)) {
        File *file = container_of(node, File, node);
        if (file->job != NULL) file_take_back(file);
        if (file->job == NULL) continue;
        file->job->file = NULL;
        file->job = NULL;
        file->fd = -1;
    }
    free(part);
}

int file_prepare(Loop *loop) {
    int status = thread_pool_prepare(loop);
    if (status != 0) return status;
    bool is_made = loop_need_part(loop, &file_key, sizeof(FilePart), file_part_close) != NULL;
    return is_made ? 0 : UV_ENOMEM;
}

static List *file_list(const Loop *loop) {
    return &((FilePart *)loop_part(loop, &file_key))->files;
}

/* --- the object --- */

static void file_describe(lua_State *L, const Handle *handle) {
    lua_pushstring(L, ((const File *)handle)->path);
}

/* Never waits: what is to be written is written by a thread, and so is what a job that runs has not. */
static void file_close_object(Handle *handle) {
    File *file = (File *)handle;
    wait_queue_dismiss(&file->waiting, ARSENAL_CLOSED);
    wait_queue_dismiss(&file->turns, ARSENAL_CLOSED);
    file->owner = NULL;
    free(file->path);
    size_t back = file->can_seek ? buffer_length(&file->input) : 0;
    buffer_free(&file->input);
    if (!handle->loop->closed) list_remove(file_list(handle->loop), &file->node);
    if (handle->loop->forked) buffer_free(&file->output);
    if (file->job != NULL)
        file->job->file = NULL;
    else if (file->fd >= 0)
        file_rescue(file->fd, &file->output, back);
    file->job = NULL;
    if (handle->loop->closed && !handle->loop->forked) file_rescue_wait();
}

const HandleType file_type = {"file", "file", KIND_FILE, file_close_object, file_describe, NULL};

File *file_new(lua_State *L) {
    File *file = handle_new(L, &file_type, sizeof *file, 0);
    file->buffering = 'f';
    file->output_size = FILE_BUFFER;
    return file;
}

void file_adopt(File *file, int fd, unsigned flags, bool can_seek, char *path) {
    file->fd = fd;
    file->flags = flags;
    file->can_seek = can_seek;
    file->path = path;
    list_append(file_list(file->handle.loop), &file->node);
    handle_opened(&file->handle);
}
