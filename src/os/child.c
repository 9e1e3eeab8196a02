/*
** Owns children, from their start until they are reaped, and their end.
*/
#include "base/platform.h"

#include "os/child.h"

#include "base/container_of.h"
#include "base/list.h"
#include "event/poller.h"
#include "event/run.h"
#include "kernel/clock.h"
#include "system/child_process.h"
#include "system/signal_disposition.h"

#include <signal.h>
#include <stdlib.h>

/* How long the end of what was killed is waited for, if the child itself has ended, in nanoseconds. */
static const uint64_t AFTER_KILL = 1000000000;

/* How often a group is asked whether it has ended, in nanoseconds: first, and at most. */
static const uint64_t FIRST_LOOK = 1000000, LAST_LOOK = 50000000;

struct Child {
    uv_process_t handle; /* first: loop_close_handle frees all of it */
    Loop *loop;
    ChildOwner *owner; /* NULL: none any more */
    int pid;
    uint64_t grace, deadline; /* of its ending */
    uint64_t look;            /* until the group is asked next */
    Timer timer;
    bool has_group, detached;
    bool exited; /* and was reaped: the number may be another process's, unless the group lives */
    bool ending, killed;
    List *list;
    ListNode node;                 /* in the list of its loop */
    struct Child *next_registered; /* in the list of the process */
};

/* --- the process's children that are not detached: they are ended when it exits --- */

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;
static Child *registered;
static int owner_process; /* a fork of it has the list, and must leave the children alone */

static void child_register(Child *child) {
    uv_mutex_lock(&lock);
    child->next_registered = registered;
    registered = child;
    uv_mutex_unlock(&lock);
}

static void child_unregister(const Child *child) {
    uv_mutex_lock(&lock);
    Child **link = &registered;
    while (*link != NULL && *link != child)
        link = &(*link)->next_registered;
    if (*link != NULL) *link = child->next_registered;
    uv_mutex_unlock(&lock);
}

/* --- signals --- */

static int child_send(Child *child, int number) {
    return child_process_signal(&child->handle, child->has_group, number);
}

/* Whether anything is left of it that its ending should wait for. */
static bool child_is_there(const Child *child) {
    return !child->exited || (child->has_group && child_process_has_group(child->pid));
}

static void child_ask_to_end(Child *child) {
    child->ending = true;
    child->deadline = clock_deadline(child->loop, child->grace);
    child_process_ask_to_end(&child->handle, child->has_group);
}

static void child_kill(Child *child) {
    child->killed = true;
    child->deadline = clock_deadline(child->loop, AFTER_KILL);
    child->look = FIRST_LOOK;
    child_send(child, SIGKILL);
}

/* --- ending children without the loop: it is being closed, or the process exits --- */

enum { PAUSE = 1 }; /* milliseconds between two looks */

/* Returns whether nothing is left of it. */
static bool child_look_blocking(Child *child) {
    if (!child->ending) child_ask_to_end(child);
    if (!child->exited) child->exited = child_process_reap(child->pid);
    if (!child_is_there(child)) return true;
    bool is_late = clock_now(child->loop) >= child->deadline;
    if (is_late && !child->killed) child_kill(child);
    return is_late && child->killed && child->exited;
}

static bool child_all_registered_ended(void) {
    bool ended = true;
    for (Child *child = registered; child != NULL; child = child->next_registered)
        ended = child_look_blocking(child) && ended;
    return ended;
}

/* The lock stays held, so that other threads do nothing to children any more. */
static void child_end_at_exit(void) {
    if (child_process_self() != owner_process) return;
    uv_mutex_lock(&lock);
    while (!child_all_registered_ended())
        uv_sleep(PAUSE);
}

static void child_prepare_process(void) {
    uv_mutex_init(&lock);
    owner_process = child_process_self();
    atexit(child_end_at_exit);
}

/* --- the loop's children --- */

typedef struct ChildPart {
    LoopPart part;
    RunEnd end;
    List children;
} ChildPart;

static const char child_key;

static Child *child_of(ListNode *node) {
    return container_of(node, Child, node);
}

static bool child_all_of_part_ended(const ChildPart *part) {
    bool ended = true;
    for (ListNode *node = part->children.first; node != NULL;
         node = list_next(&part->children, node))
        if (!child_of(node)->detached) ended = child_look_blocking(child_of(node)) && ended;
    return ended;
}

/* What is left of a child's handle is closed with the loop. */
static void child_close_part(LoopPart *part, Loop *loop) {
    ChildPart *children = container_of(part, ChildPart, part);
    ListNode *node;
    while (!child_all_of_part_ended(children))
        uv_sleep(PAUSE);
    while ((node = children->children.first) != NULL) {
        Child *child = child_of(node);
        list_remove(&children->children, node);
        child_unregister(child);
        if (child->owner != NULL) child->owner->ended(child->owner);
        loop_close_handle(loop, (uv_handle_t *)&child->handle);
        signal_disposition_restore(CHILD_PROCESS_SIGNAL);
    }
    free(children);
}

/* `run` is over: ends every child that must not outlive it. Returns whether none is left. */
static bool child_end_all(RunEnd *end, Loop *loop) {
    const ChildPart *part = container_of(end, ChildPart, end);
    bool ended = true;
    (void)loop;
    for (ListNode *node = part->children.first; node != NULL;
         node = list_next(&part->children, node)) {
        Child *child = child_of(node);
        if (child->detached) continue;
        child_end(child);
        ended = false;
    }
    return ended;
}

static ChildPart *child_need_part(Loop *loop) {
    uv_once(&once, child_prepare_process);
    ChildPart *part = loop_part(loop, &child_key);
    if (part == NULL) part = loop_need_part(loop, &child_key, sizeof *part, child_close_part);
    if (part == NULL || part->end.ended != NULL) return part;
    if (!run_add_end(loop, &part->end)) return NULL;
    part->end.ended = child_end_all;
    return part;
}

/* --- the life of one --- */

/* Nothing is left of it. Its memory goes when libuv has closed the handle. */
static void child_finish(Child *child) {
    Loop *loop = child->loop;
    timer_heap_clear(&loop->timers, &child->timer);
    if (child->ending) loop->external_waiters--;
    if (!child->detached) child_unregister(child);
    list_remove(child->list, &child->node);
    if (child->owner != NULL) child->owner->ended(child->owner);
    loop_close_handle(loop, (uv_handle_t *)&child->handle);
    signal_disposition_restore(CHILD_PROCESS_SIGNAL);
}

/* Without memory for a timer the grace ends at once. */
static void child_set_timer(Child *child, uint64_t deadline) {
    TimerHeap *timers = &child->loop->timers;
    if (deadline == FOREVER || timer_heap_set(timers, &child->timer, deadline)) return;
    child_kill(child);
    if (child->exited) child_finish(child);
}

/* The child has ended before others of its group. */
static void child_look_at_group(Child *child) {
    uint64_t next = clock_deadline(child->loop, child->look);
    if (child->look < LAST_LOOK) child->look *= 2;
    child_set_timer(child, next < child->deadline ? next : child->deadline);
}

static void child_timer_fired(Timer *timer) {
    Child *child = container_of(timer, Child, timer);
    bool is_late = clock_now(child->loop) >= child->deadline;
    bool gives_up = is_late && child->killed;
    if (is_late && !child->killed && child_is_there(child)) child_kill(child);
    if (child->exited && (gives_up || !child_is_there(child)))
        child_finish(child);
    else if (child->exited)
        child_look_at_group(child);
}

static void child_exited(uv_process_t *handle, int64_t status, int number) {
    Child *child = container_of(handle, Child, handle);
    child->exited = true;
    if (child->owner != NULL) child->owner->exited(child->owner, (int)status, number);
    if (child->ending && child_is_there(child))
        child_look_at_group(child);
    else
        child_finish(child);
}

static Child *child_new(Loop *loop, const ChildOptions *options, ChildOwner *owner) {
    Child *child = calloc(1, sizeof *child);
    if (child == NULL) return NULL;
    child->loop = loop;
    child->owner = owner;
    child->grace = options->grace;
    child->look = FIRST_LOOK;
    child->timer.fired = child_timer_fired;
    child->has_group = (options->uv.flags & UV_PROCESS_DETACHED) != 0;
    child->detached = options->detached;
    return child;
}

/* On failure the child's memory is given back. */
static int child_spawn(Child *child, const uv_process_options_t *options) {
    Loop *loop = child->loop;
    signal_disposition_keep(CHILD_PROCESS_SIGNAL);
    int status = child_process_spawn(&loop->uv, &child->handle, options, child->detached);
    loop->uv_changed = true;
    if (status == 0) return 0;
    loop_close_handle(loop, (uv_handle_t *)&child->handle);
    signal_disposition_restore(CHILD_PROCESS_SIGNAL);
    return status;
}

/* Adds a child that runs to the lists. */
static void child_started(Child *child, ChildPart *part) {
    child->pid = uv_process_get_pid(&child->handle);
    child->list = &part->children;
    list_append(child->list, &child->node);
    if (!child->detached) child_register(child);
}

int child_start(Loop *loop, ChildOptions *options, ChildOwner *owner, Child **started) {
    int status = child_process_prepare();
    if (status == 0) status = poll_need_uv(loop);
    if (status != 0) return status;
    ChildPart *part = child_need_part(loop);
    Child *child = part == NULL ? NULL : child_new(loop, options, owner);
    if (child == NULL) return UV_ENOMEM;
    options->uv.exit_cb = child_exited;
    status = child_spawn(child, &options->uv);
    if (status != 0) return status;
    child_started(child, part);
    *started = child;
    return 0;
}

void child_disown(Child *child) {
    child->owner = NULL;
}

int child_pid(const Child *child) {
    return child->pid;
}

int child_signal(Child *child, int number) {
    return child->exited ? 0 : child_send(child, number);
}

void child_end(Child *child) {
    if (child->ending) return;
    child_ask_to_end(child);
    child->loop->external_waiters++;
    child_set_timer(child, child->deadline);
}
