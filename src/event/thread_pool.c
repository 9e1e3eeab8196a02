/*
** Owns the threads that do what blocks. They are ours and not libuv's, since
** libuv joins its threads when the process exits, and a lookup may hang for a
** minute. A thread is started when a job finds none idle, and stays.
*/
#include "base/platform.h"

#include "event/thread_pool.h"

#include "event/inbox.h"

#include <stdlib.h>
#ifndef _WIN32
#include <dlfcn.h>
#endif

/* One for a loop; outlives it while jobs run. */
typedef struct Offload {
    Loop *loop; /* NULL once it is gone */
    Job *done;
    unsigned jobs; /* not yet collected or freed */
} Offload;

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; /* guards all below, and every Offload and Job in a thread's reach */
static uv_cond_t work_came;
static Job *first, *last; /* not begun */
static unsigned threads, idle, queued;
static int setup_status;

/* The threads run this module's code until the process ends: it must never be unloaded. */
static void stay_loaded(void) {
#ifndef _WIN32
    Dl_info module;
    if (dladdr((void *)&once, &module)) dlopen(module.dli_fname, RTLD_NOW | RTLD_NODELETE);
#endif
}

static void set_up(void) {
    stay_loaded();
    setup_status = uv_mutex_init(&lock);
    if (setup_status == 0) setup_status = uv_cond_init(&work_came);
}

static Job *take_first(void) {
    Job *job = first;
    first = job->next;
    if (first == NULL) last = NULL;
    queued--;
    return job;
}

/* A job that nobody waits for ends here; the others go to their loop. The lock is held. */
static void finish(Job *job) {
    Offload *offload = job->offload;
    if (job->forgotten || offload->loop == NULL) {
        job->free(job);
        if (--offload->jobs == 0 && offload->loop == NULL) free(offload);
    } else {
        job->next = offload->done;
        offload->done = job;
        inbox_send(offload->loop);
    }
}

static void serve(void *unused) {
    (void)unused;
    uv_mutex_lock(&lock);
    for (;;) {
        idle++;
        while (first == NULL)
            uv_cond_wait(&work_came, &lock);
        idle--;
        Job *job = take_first();
        uv_mutex_unlock(&lock);
        job->run(job);
        uv_mutex_lock(&lock);
        finish(job);
    }
}

static int start_thread(void) {
    uv_thread_t thread;
    int status = uv_thread_create(&thread, serve, NULL);
    if (status == 0) threads++;
    return threads > 0 ? 0 : status;
}

static int get_offload(Loop *loop) {
    int status = inbox_init(loop);
    uv_once(&once, set_up);
    if (status == 0) status = setup_status;
    if (status == 0 && loop->offload == NULL) {
        loop->offload = calloc(1, sizeof *loop->offload);
        if (loop->offload == NULL) return UV_ENOMEM;
        loop->offload->loop = loop;
    }
    return status;
}

int thread_pool_submit(Loop *loop, Job *job) {
    int status = get_offload(loop);
    if (status != 0) return status;
    uv_mutex_lock(&lock);
    if (idle <= queued && threads < OFFLOAD_THREADS) status = start_thread();
    if (status == 0) {
        job->offload = loop->offload;
        job->loop = loop;
        job->forgotten = false;
        job->next = NULL;
        job->offload->jobs++;
        if (last == NULL)
            first = job;
        else
            last->next = job;
        last = job;
        queued++;
        uv_cond_signal(&work_came);
    }
    uv_mutex_unlock(&lock);
    return status;
}

/* Unlinks the job from the list that starts at *link; whether it was there. */
static bool unlink_job(Job **link, const Job *job) {
    while (*link != NULL && *link != job)
        link = &(*link)->next;
    if (*link == NULL) return false;
    *link = job->next;
    return true;
}

/* The lock is held. */
static void forget(Job *job) {
    bool waits = unlink_job(&first, job);
    if (waits) {
        queued--;
        last = first;
        while (last != NULL && last->next != NULL)
            last = last->next;
    }
    job->forgotten = true;
    if (waits || unlink_job(&job->offload->done, job)) finish(job);
}

void thread_pool_forget(Job *job) {
    uv_mutex_lock(&lock);
    forget(job);
    uv_mutex_unlock(&lock);
}

void thread_pool_collect(Loop *loop) {
    Offload *offload = loop->offload;
    if (offload == NULL) return;
    uv_mutex_lock(&lock);
    Job *job = offload->done;
    offload->done = NULL;
    for (Job *each = job; each != NULL; each = each->next)
        offload->jobs--;
    uv_mutex_unlock(&lock);
    while (job != NULL) {
        Job *next = job->next;
        job->done(job);
        job->free(job);
        job = next;
    }
}

void thread_pool_detach(Loop *loop) {
    Offload *offload = loop->offload;
    if (offload == NULL) return;
    loop->offload = NULL;
    uv_mutex_lock(&lock);
    for (Job *job = first, *next; job != NULL; job = next) {
        next = job->next;
        if (job->offload == offload) forget(job);
    }
    while (offload->done != NULL)
        forget(offload->done);
    offload->loop = NULL;
    bool unused = offload->jobs == 0;
    uv_mutex_unlock(&lock);
    if (unused) free(offload);
}
