/*
** Owns the threads that do what blocks. They are ours and not libuv's, because
** libuv joins its threads when the process exits, and a lookup may hang for a
** minute. A thread is started when a job finds none idle, and stays. A job that
** is done is a message to its loop's inbox. A job that submits others to its own pool
** may wait for them: it does not count any more, and they are the next to run.
*/
#include "event/thread_pool.h"

#include "base/container_of.h"

#include <stdlib.h>

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; /* guards all below */
static int setup_status;

static struct Pool {
    uv_cond_t work_came;
    Job *first, *last; /* the queue: jobs that have not started */
    unsigned threads, idle, queued;
    unsigned uncounted; /* running jobs that have submitted others */
} pools[THREAD_POOLS];

/* What a thread of a pool is doing. */
typedef struct Server {
    struct Pool *pool;
    bool is_uncounted;
} Server;

static uv_key_t server_key; /* the Server of this thread; NULL in all other threads */
static const char pool_key;

static void thread_pool_set_up(void) {
    setup_status = uv_mutex_init(&lock);
    if (setup_status == 0) setup_status = uv_key_create(&server_key);
    for (int i = 0; i < THREAD_POOLS && setup_status == 0; i++)
        setup_status = uv_cond_init(&pools[i].work_came);
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

static void thread_pool_enqueue(struct Pool *pool, Job *job, bool is_next) {
    job->next = is_next ? pool->first : NULL;
    if (is_next || pool->first == NULL)
        pool->first = job;
    else
        pool->last->next = job;
    if (job->next == NULL) pool->last = job;
    pool->queued++;
    uv_cond_signal(&pool->work_came);
}

static unsigned thread_pool_limit(const struct Pool *pool) {
    return THREAD_POOL_THREADS + pool->uncounted;
}

static bool thread_pool_may_start(const struct Pool *pool) {
    return pool->first != NULL && pool->threads - pool->idle < thread_pool_limit(pool);
}

/* Whether this thread is running a job of that pool, which does not count any more then. */
static bool thread_pool_is_inside(struct Pool *pool) {
    Server *server = uv_key_get(&server_key);
    if (server == NULL || server->pool != pool) return false;
    if (!server->is_uncounted) pool->uncounted++;
    server->is_uncounted = true;
    return true;
}

static void thread_pool_count_again(Server *server) {
    if (server->is_uncounted) server->pool->uncounted--;
    server->is_uncounted = false;
}

static Job *thread_pool_dequeue(struct Pool *pool) {
    Job *job = pool->first;
    pool->first = job->next;
    if (pool->first == NULL) pool->last = NULL;
    pool->queued--;
    return job;
}

/* Takes all jobs for which `is_meant` out of the queue; returns them in front of the list `taken`. */
static Job *thread_pool_unlink(struct Pool *pool, bool (*is_meant)(const Job *, const void *),
                               const void *wanted, Job *taken) {
    Job **link = &pool->first;
    pool->last = NULL;
    while (*link != NULL) {
        Job *job = *link;
        if (is_meant(job, wanted)) {
            *link = job->next;
            job->next = taken;
            taken = job;
            pool->queued--;
        } else {
            pool->last = job;
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

static void thread_pool_serve(void *argument) {
    struct Pool *pool = argument;
    Server server = {.pool = pool};
    uv_key_set(&server_key, &server);
    uv_mutex_lock(&lock);
    for (;;) {
        pool->idle++;
        thread_pool_count_again(&server);
        while (!thread_pool_may_start(pool))
            uv_cond_wait(&pool->work_came, &lock);
        pool->idle--;
        Job *job = thread_pool_dequeue(pool);
        uv_mutex_unlock(&lock);
        job->run(job);
        inbox_post(job->inbox, &job->message);
        uv_mutex_lock(&lock);
    }
}

static int thread_pool_start_thread(struct Pool *pool) {
    uv_thread_t thread;
    int status = uv_thread_create(&thread, thread_pool_serve, pool);
    if (status == 0) pool->threads++;
    return pool->threads > 0 ? 0 : status;
}

/* --- the loop's side --- */

static bool thread_pool_is_of_loop(const Job *job, const void *loop) {
    return job->loop == loop;
}

static bool thread_pool_is_job(const Job *job, const void *wanted) {
    return job == wanted;
}

static void thread_pool_close(LoopPart *part, Loop *loop) {
    Job *jobs = NULL;
    uv_mutex_lock(&lock);
    for (int i = 0; i < THREAD_POOLS; i++)
        jobs = thread_pool_unlink(&pools[i], thread_pool_is_of_loop, loop, jobs);
    uv_mutex_unlock(&lock);
    thread_pool_free_jobs(jobs);
    free(part);
}

int thread_pool_prepare(Loop *loop) {
    if (inbox_of(loop) == NULL ||
        loop_need_part(loop, &pool_key, sizeof(LoopPart), thread_pool_close) == NULL)
        return UV_ENOMEM;
    uv_once(&once, thread_pool_set_up);
    return setup_status;
}

int thread_pool_submit(Loop *loop, Job *job) {
    int status = thread_pool_prepare(loop);
    if (status != 0) return status;
    Inbox *inbox = inbox_of(loop);
    job->loop = loop;
    job->inbox = inbox;
    job->forgotten = false;
    job->message = (InboxMessage){.deliver = thread_pool_deliver, .discard = thread_pool_discard};
    struct Pool *pool = &pools[job->pool];
    uv_mutex_lock(&lock);
    bool is_inside = thread_pool_is_inside(pool);
    if (pool->idle <= pool->queued && pool->threads < thread_pool_limit(pool))
        status = thread_pool_start_thread(pool);
    if (status == 0) {
        inbox_hold(inbox);
        thread_pool_enqueue(pool, job, is_inside);
    }
    uv_mutex_unlock(&lock);
    return status;
}

bool thread_pool_withdraw(Job *job) {
    uv_mutex_lock(&lock);
    Job *jobs = thread_pool_unlink(&pools[job->pool], thread_pool_is_job, job, NULL);
    uv_mutex_unlock(&lock);
    thread_pool_free_jobs(jobs);
    return jobs != NULL;
}

void thread_pool_forget(Job *job) {
    job->forgotten = true;
    thread_pool_withdraw(job);
}
