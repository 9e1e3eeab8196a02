/*
** Owns the locks between a worker and its parent.
*/
#include "worker/thread.h"

#include "base/container_of.h"
#include "event/nudge.h"
#include "kernel/task.h"
#include "worker/runner.h"

#include <stdlib.h>
#include <string.h>

/* --- its memory --- */

static void thread_cancel_came(InboxMessage *message) {
    tasks_cancel_all(container_of(message, WorkerThread, cancel)->loop);
}

static void thread_ignore(InboxMessage *message) {
    (void)message;
}

WorkerThread *thread_new(Environment *environment, Parcel *entry, const char *name) {
    size_t size = strlen(name) + 1;
    WorkerThread *thread = calloc(1, sizeof *thread + size);
    if (thread == NULL) return NULL;
    memcpy(thread->name, name, size);
    thread->cancel = (InboxMessage){.deliver = thread_cancel_came, .discard = thread_ignore};
    atomic_init(&thread->holders, 1);
    if (!monitor_init(&thread->monitor)) {
        free(thread);
        return NULL;
    }
    thread->environment = environment;
    thread->call.entry = entry;
    return thread;
}

static void thread_hold(WorkerThread *thread) {
    atomic_fetch_add(&thread->holders, 1);
}

void thread_release(WorkerThread *thread) {
    if (thread == NULL || atomic_fetch_sub(&thread->holders, 1) > 1) return;
    environment_free(thread->environment);
    call_free(&thread->call);
    if (thread->parent != NULL) inbox_release(thread->parent);
    crew_release(thread->crew);
    monitor_destroy(&thread->monitor);
    free(thread);
}

/* --- its life --- */

static void thread_discard_end(InboxMessage *message) {
    thread_release(container_of(message, WorkerThread, end));
}

static void thread_main(Runner *runner, void *argument) {
    WorkerThread *thread = argument;
    Crew *crew = thread->crew;
    thread->run(thread);
    runner_offer(runner);
    monitor_lock(&thread->monitor);
    thread->is_finished = true;
    monitor_notify(&thread->monitor);
    monitor_unlock(&thread->monitor);
    crew_hold(crew);
    inbox_post_last(thread->parent, &thread->end, crew);
    crew_release(crew);
}

int thread_start(WorkerThread *thread, Inbox *parent, Crew *crew, void (*run)(WorkerThread *thread),
                 void (*ended)(InboxMessage *message)) {
    crew_hold(crew);
    thread->crew = crew;
    thread->run = run;
    thread->end = (InboxMessage){.deliver = ended, .discard = thread_discard_end};
    thread->parent = parent;
    inbox_hold(parent);
    thread_hold(thread);
    crew_wake(crew);
    int status = runner_start(thread_main, thread, &thread->id);
    if (status == 0) return 0;
    crew_rest(crew); /* this thread is awake */
    thread_release(thread);
    return status;
}

/* --- from the parent --- */

void thread_cancel(WorkerThread *thread) {
    monitor_lock(&thread->monitor);
    if (!thread->is_cancelled && thread->inbox != NULL) inbox_post(thread->inbox, &thread->cancel);
    thread->is_cancelled = true;
    monitor_unlock(&thread->monitor);
}

bool thread_is_cancelled(WorkerThread *thread) {
    monitor_lock(&thread->monitor);
    bool is_cancelled = thread->is_cancelled;
    monitor_unlock(&thread->monitor);
    return is_cancelled;
}

void thread_nudge(WorkerThread *thread) {
    monitor_lock(&thread->monitor);
    if (thread->inbox != NULL) nudge_thread(thread->id);
    monitor_unlock(&thread->monitor);
}

bool thread_wait(WorkerThread *thread, uint64_t duration) {
    uint64_t deadline = uv_hrtime() + duration;
    monitor_lock(&thread->monitor);
    while (!thread->is_finished && monitor_wait(&thread->monitor, deadline))
        ;
    bool is_finished = thread->is_finished;
    monitor_unlock(&thread->monitor);
    return is_finished;
}

/* --- in the worker's thread --- */

bool thread_attach(WorkerThread *thread, Loop *loop) {
    Inbox *inbox = inbox_of(loop);
    if (inbox == NULL) return false;
    inbox_join_crew(inbox, thread->crew);
    monitor_lock(&thread->monitor);
    bool can_run = !thread->is_cancelled;
    if (can_run) {
        inbox_hold(inbox);
        thread->inbox = inbox;
        thread->loop = loop;
    }
    monitor_unlock(&thread->monitor);
    return can_run;
}

void thread_detach(WorkerThread *thread) {
    monitor_lock(&thread->monitor);
    Inbox *inbox = thread->inbox;
    thread->inbox = NULL;
    monitor_unlock(&thread->monitor);
    if (inbox != NULL) inbox_release(inbox);
}
