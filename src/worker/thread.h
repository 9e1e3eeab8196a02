/*
** Worker threads: what the thread of a worker and that of its parent share. Both
** hold it; all of these functions may be called in any thread unless they say otherwise.
*/
#ifndef ARSENAL_WORKER_THREAD_H
#define ARSENAL_WORKER_THREAD_H

#include "base/monitor.h"
#include "event/crew.h"
#include "event/inbox.h"
#include "kernel/wait_queue.h"
#include "worker/call.h"
#include "worker/environment.h"

#include <stdatomic.h>

typedef struct WorkerThread {
    atomic_uint holders;
    uv_thread_t id;
    Environment *environment;
    void (*run)(struct WorkerThread *thread); /* the whole life of the worker */
    Call call;                                /* the thread's, until it is finished */

    Monitor monitor; /* guards what follows */
    Loop *loop;      /* the worker's, while it can be cancelled, and its inbox */
    Inbox *inbox;
    bool is_cancelled, is_finished;
    InboxMessage cancel;

    InboxMessage end; /* to the parent */
    Inbox *parent;
    Crew *crew;

    /* worker.c's own, in the parent's thread */
    ListNode node;
    List *running; /* the list that it is in, or NULL */
    WaitQueue waiters;
    bool has_ended; /* the parent knows that it is finished, or has left it behind */
    bool is_left;   /* the parent has left it behind */
    char name[];
} WorkerThread;

/* Takes over the environment and the entry, and frees them with the thread. NULL: no memory. */
WorkerThread *thread_new(Environment *environment, Parcel *entry, const char *name);

/* Lets go of it; the last one to do so frees it. NULL: does nothing. */
void thread_release(WorkerThread *thread);

/*
** Starts `run` in a thread, which is of that crew. When it has ended, `ended` is called
** in the parent's thread, with container_of(message, WorkerThread, end). Returns 0 or a status.
*/
int thread_start(WorkerThread *thread, Inbox *parent, Crew *crew, void (*run)(WorkerThread *thread),
                 void (*ended)(InboxMessage *message));

/* Cancels all tasks of the worker, at the latest when they next wait. */
void thread_cancel(WorkerThread *thread);

bool thread_is_cancelled(WorkerThread *thread);

/* After thread_cancel: makes a task that computes see it. Does nothing in a worker that is not running. */
void thread_nudge(WorkerThread *thread);

/* Waits until it is finished, for at most so many nanoseconds. Returns whether it is. */
bool thread_wait(WorkerThread *thread, uint64_t duration);

/* --- in the worker's thread --- */

/* The worker can be cancelled from here on; false if that has happened already, or there is no memory. */
bool thread_attach(WorkerThread *thread, Loop *loop);
void thread_detach(WorkerThread *thread);

#endif
