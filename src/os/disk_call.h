/*
** Disk calls: calls that wait while a thread does what may block. A call is a
** userdata on the stack of the task that waits; its work is in memory from malloc,
** and outlives a call that was cancelled.
*/
#ifndef ARSENAL_OS_DISK_CALL_H
#define ARSENAL_OS_DISK_CALL_H

#include "base/list.h"
#include "kernel/wait.h"

typedef struct DiskWork {
    int (*run)(struct DiskWork *work);   /* in a thread; returns what `status` is set to */
    void (*free)(struct DiskWork *work); /* in any thread: frees the work and all it holds */
    /*
    ** Memory of Lua's must not be used any more. In the loop's thread, while `run` may run.
    ** NULL: nothing to do.
    */
    void (*abandon)(struct DiskWork *work);
    int status;
} DiskWork;

typedef struct DiskCall {
    Task *task;
    DiskWork *work;      /* what was done, and is to be freed; or NULL */
    struct DiskJob *job; /* in flight, or NULL */
    WaitQueue waiting;   /* the task */
    ListNode node;       /* in the list of those that have work */
    bool listed;
    const char *verb, *path; /* for messages; the stack of the task keeps the path */
} DiskCall;

/* [-0, +1] a call without work, for the running task; it can keep one Lua value. */
DiskCall *disk_call_new(lua_State *L, Task *task, const char *verb, const char *path);

/* What disk_call_new does with its userdata, and its finalizer, for one that starts with a DiskCall. */
void disk_call_init(DiskCall *call, Task *task);
void disk_call_finalize(DiskCall *call);

/*
** The last line of a call: gives it work, which it owns in any case, and waits until
** that is done. Then `kind->step` finds it in call->work, unless task->status says
** why not. If the work cannot be given to a thread, the step is made at once.
*/
int disk_call_wait(lua_State *L, DiskCall *call, DiskWork *work, const WaitKind *kind);

/* The status of the work, or why it could not be done. */
int disk_call_status(const DiskCall *call);

/* Frees the work; what is left of a call that was cancelled is freed likewise. */
void disk_call_end(DiskCall *call);

/* For WaitKind.forget and WaitKind.describe */
void disk_call_forget(Task *task);
void disk_call_describe(lua_State *L, Task *task);

void disk_call_open(lua_State *L); /* [-0, +0] */

#endif
