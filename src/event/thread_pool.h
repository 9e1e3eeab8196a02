/*
** Offloading: work that blocks is done by threads of our own, which no exit
** waits for. Floor 2.
*/
#ifndef ARSENAL_OFFLOAD_H
#define ARSENAL_OFFLOAD_H

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
int offload_submit(Loop *loop, Job *job);

/* Nobody waits for it any more: one that has not begun never does. */
void offload_forget(Job *job);

void offload_collect(Loop *loop); /* the wakeup's: calls `done` for what is done */
void offload_detach(Loop *loop);  /* the loop is going: its jobs are forgotten */

#endif
