/*
** The thread pools: work that blocks is done by threads of our own, which no exit
** waits for. Lookups of names, work on files and blocking calls have a pool each, so
** that none holds up another.
*/
#ifndef ARSENAL_EVENT_THREAD_POOL_H
#define ARSENAL_EVENT_THREAD_POOL_H

#include "event/inbox.h"

enum { THREAD_POOL_THREADS = 16 }; /* at most in each pool, for the whole process */

typedef enum ThreadPool {
    POOL_OF_LOOKUPS,
    POOL_OF_FILES,
    POOL_OF_CALLS, /* of the program's own, which may take for ever */
    THREAD_POOLS
} ThreadPool;

typedef struct Job {
    void (*run)(struct Job *job);  /* in a thread: touches nothing but the job */
    void (*done)(struct Job *job); /* in the loop's thread, unless it was forgotten */
    void (*free)(struct Job *job); /* the last call, in any thread */
    ThreadPool pool;
    Loop *loop; /* that it was submitted to */

    /* the thread pool's own */
    InboxMessage message;
    Inbox *inbox;
    struct Job *next; /* in the queue */
    bool forgotten;
} Job;

/*
** Makes what a loop needs for its jobs, if it has none. A part of the loop that is
** added after this is closed before its jobs are. Returns 0 or a status.
*/
int thread_pool_prepare(Loop *loop);

/* Returns 0, or a status: then the job is still the caller's. */
int thread_pool_submit(Loop *loop, Job *job);

/* The caller gives the job up: if it has not started, it never runs. */
void thread_pool_forget(Job *job);

/* Frees a job that has not started, and returns true. Any other goes on: false. */
bool thread_pool_withdraw(Job *job);

#endif
