/*
** The thread pool: work that blocks is done by threads of our own, which no exit
** waits for.
*/
#ifndef ARSENAL_EVENT_THREAD_POOL_H
#define ARSENAL_EVENT_THREAD_POOL_H

#include "event/inbox.h"

enum {
    THREAD_POOL_THREADS = 16, /* at most, for the whole process */
    THREAD_POOL_LONG = 12,    /* of these, at most so many have long jobs */
};

typedef struct Job {
    void (*run)(struct Job *job);  /* in a thread: touches nothing but the job */
    void (*done)(struct Job *job); /* in the loop's thread, unless it was forgotten */
    void (*free)(struct Job *job); /* the last call, in any thread */
    bool is_long;                  /* it may take for ever, as what a program asks for may */
    Loop *loop;                    /* that it was submitted to */

    /* the thread pool's own */
    InboxMessage message;
    Inbox *inbox;
    struct Job *next; /* in the queue */
    bool forgotten;
} Job;

/* Returns 0, or a status: then the job is still the caller's. */
int thread_pool_submit(Loop *loop, Job *job);

/* The caller gives the job up: if it has not started, it never runs. */
void thread_pool_forget(Job *job);

#endif
