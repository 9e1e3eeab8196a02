/*
** Owns the threads that do what blocks. They are ours and not libuv's, because
** libuv joins its threads when the process exits, and a lookup may hang for a
** minute. A thread is started when a job finds none idle, and stays. A job that
** is done is a message to its loop's inbox.
*/
#include "event/thread_pool.h"

#include "base/container_of.h"

#include <stdlib.h>

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; /* guards all below */
static uv_cond_t work_came;
static Job *first, *last; /* the queue: jobs that have not started */
static unsigned threads, idle, queued, long_running;
static int setup_status;

static const char pool_key;

static void thread_pool_set_up(void) {
    setup_status = uv_mutex_init(&lock);
    if (setup_status == 0) setup_status = uv_cond_init(&work_came);
}

/* --- the end of a job: nothing touches it after this --- */

static void thread_pool_free_job(Job *job) {
    Inbox *inbox = job->inbox;
    job->free(job);
    inbox_release(inbox);
}

static void thread_pool_deliver(InboxMessage *message) {
    Job *job = container_of(message, Job, message);
    if (!job->forgotten) job->done(job);
    thread_pool_free_job(job);
}

static void thread_pool_discard(InboxMessage *message) {
    thread_pool_free_job(container_of(message, Job, message));
}

/* --- the queue; the lock is held --- */

static void thread_pool_enqueue(Job *job) {
    job->next = NULL;
    if (last == NULL)
        first = job;
    else
        last->next = job;
    last = job;
    queued++;
    uv_cond_signal(&work_came);
}

/* The first job that may start, or NULL: long ones leave threads for others. */
static Job *thread_pool_dequeue(void) {
    Job *previous = NULL, *job = first;
    for (; job != NULL && job->is_long && long_running >= THREAD_POOL_LONG; job = job->next)
        previous = job;
    if (job == NULL) return NULL;
    *(previous == NULL ? &first : &previous->next) = job->next;
    if (last == job) last = previous;
    queued--;
    long_running += job->is_long;
    return job;
}

/* Takes all jobs for which `is_meant` out of the queue; returns them as a list. */
static Job *thread_pool_unlink(bool (*is_meant)(const Job *, const void *), const void *wanted) {
    Job *taken = NULL, **link = &first;
    last = NULL;
    while (*link != NULL) {
        Job *job = *link;
        if (is_meant(job, wanted)) {
            *link = job->next;
            job->next = taken;
            taken = job;
            queued--;
        } else {
            last = job;
            link = &job->next;
        }
    }
    return taken;
}

static void thread_pool_free_jobs(Job *job) {
    for (Job *next; job != NULL; job = next) {
        next = job->next;
        thread_pool_free_job(job);
    }
}

/* --- the threads --- */

static void thread_pool_serve(void *unused) {
    (void)unused;
    uv_mutex_lock(&lock);
    for (;;) {
        Job *job;
        idle++;
        while ((job = thread_pool_dequeue()) == NULL)
            uv_cond_wait(&work_came, &lock);
        idle--;
        bool is_long = job->is_long;
        uv_mutex_unlock(&lock);
        job->run(job);
        inbox_post(job->inbox, &job->message);
        uv_mutex_lock(&lock);
        long_running -= is_long;
    }
}

static int thread_pool_start_thread(void) {
    uv_thread_t thread;
    int status = uv_thread_create(&thread, thread_pool_serve, NULL);
    if (status == 0) threads++;
    return threads > 0 ? 0 : status;
}

/* --- the loop's side --- */

static bool thread_pool_is_of_loop(const Job *job, const void *loop) {
    return job->loop == loop;
}

static bool thread_pool_is_job(const Job *job, const void *wanted) {
    return job == wanted;
}

static void thread_pool_close(LoopPart *part, Loop *loop) {
    uv_mutex_lock(&lock);
    Job *jobs = thread_pool_unlink(thread_pool_is_of_loop, loop);
    uv_mutex_unlock(&lock);
    thread_pool_free_jobs(jobs);
    free(part);
}

int thread_pool_submit(Loop *loop, Job *job) {
    Inbox *inbox = inbox_of(loop);
    if (inbox == NULL ||
        loop_need_part(loop, &pool_key, sizeof(LoopPart), thread_pool_close) == NULL)
        return UV_ENOMEM;
    uv_once(&once, thread_pool_set_up);
    if (setup_status != 0) return setup_status;
    job->loop = loop;
    job->inbox = inbox;
    job->forgotten = false;
    job->message = (InboxMessage){.deliver = thread_pool_deliver, .discard = thread_pool_discard};
    int status = 0;
    uv_mutex_lock(&lock);
    if (idle <= queued && threads < THREAD_POOL_THREADS) status = thread_pool_start_thread();
    if (status == 0) {
        inbox_hold(inbox);
        thread_pool_enqueue(job);
    }
    uv_mutex_unlock(&lock);
    return status;
}

void thread_pool_forget(Job *job) {
    job->forgotten = true;
    uv_mutex_lock(&lock);
    Job *jobs = thread_pool_unlink(thread_pool_is_job, job);
    uv_mutex_unlock(&lock);
    thread_pool_free_jobs(jobs);
}
