/*
** Offloading: work that blocks is done by threads of our own, which no exit
** waits for.
*/
#ifndef ARSENAL_EVENT_THREAD_POOL_H
#define ARSENAL_EVENT_THREAD_POOL_H

#include "kernel/loop.h"

enum { OFFLOAD_THREADS = 16 }; /* at most, for the whole process */

typedef struct Job {
    void (*run)(struct Job *job);  /* in a thread: touches nothing but the job */
    void (*done)(struct Job *job); /* in the loop's thread, unless it was forgotten */
    void (*free)(struct Job *job); /* the last call, in any thread */
    struct Job *next;
    struct Offload *offload;
    Loop *loop; /* whoever submitted it */
    bool forgotten;
} Job;

/* Takes the job, or returns a status. */
int thread_pool_submit(Loop *loop, Job *job);

/* Nobody waits for it any more: one that has not begun never does. */
void thread_pool_forget(Job *job);

void thread_pool_collect(Loop *loop); /* the wakeup's: calls `done` for what is done */
void thread_pool_detach(Loop *loop);  /* the loop is going: its jobs are forgotten */

#endif
