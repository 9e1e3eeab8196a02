/*
** Owns the handlers of the signals that are for a running loop.
*/
#include "base/platform.h"

#include "event/signal_watch.h"

#include "base/container_of.h"

#include <stdlib.h>

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;                /* guards every watch, except what handlers read */
static _Atomic(SignalWatch *) watches; /* those that have ever been begun */
static atomic_int handling;            /* handlers that are running */

static void watch_make_lock(void) {
    uv_mutex_init(&lock);
}

static void watch_enter(void) {
    uv_once(&once, watch_make_lock);
    uv_mutex_lock(&lock);
}

static void watch_signal_came(int number) {
    atomic_fetch_add(&handling, 1);
    for (SignalWatch *watch = atomic_load(&watches); watch != NULL; watch = watch->next) {
        if (watch->handler.number != number) continue;
        Inbox *inbox = atomic_load(&watch->inbox);
        atomic_store(&watch->came, true);
        if (inbox != NULL) inbox_wake(inbox);
    }
    atomic_fetch_sub(&handling, 1);
}

/* --- the lock is held --- */

static void watch_take(SignalWatch *watch) {
    atomic_store(&watch->inbox, watch->loop_inbox);
    watch->handler.came = watch_signal_came;
    watch->is_ours = signal_handler_install(&watch->handler);
}

/* Waits for handlers in other threads, because they may be about to wake the inbox. */
static void watch_give_back(SignalWatch *watch) {
    if (watch->is_ours) signal_handler_uninstall(&watch->handler);
    watch->is_ours = false;
    atomic_store(&watch->inbox, NULL);
    while (atomic_load(&handling) > 0)
        continue;
}

static void watch_register(SignalWatch *watch) {
    SignalWatch *known = atomic_load(&watches);
    while (known != NULL && known != watch)
        known = known->next;
    if (known != NULL) return;
    watch->next = atomic_load(&watches);
    atomic_store(&watches, watch);
}

/* --- the functions --- */

typedef struct WatchPart {
    LoopPart part;
    SignalWatch *watch;
} WatchPart;

static const char exempt_key; /* the part of a loop that takes no signals */

static void watch_exempt_closed(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

bool signal_watch_exempt(Loop *loop) {
    return loop_need_part(loop, &exempt_key, sizeof(LoopPart), watch_exempt_closed) != NULL;
}

static void watch_loop_closed(LoopPart *part, Loop *loop) {
    signal_watch_end(container_of(part, WatchPart, part)->watch, loop);
    free(part);
}

void signal_watch_begin(SignalWatch *watch, Loop *loop) {
    if (loop_part(loop, &exempt_key) != NULL) return;
    Inbox *inbox = inbox_of(loop);
    if (inbox == NULL) return;
    WatchPart *part = loop_need_part(loop, watch, sizeof *part, watch_loop_closed);
    if (part == NULL) return;
    part->watch = watch;
    watch_enter();
    if (watch->loop == NULL) {
        watch_register(watch);
        watch->loop = loop;
        watch->loop_inbox = inbox;
        atomic_store(&watch->came, false);
        if (watch->claims == 0) watch_take(watch);
        if (watch->claims == 0 && !watch->is_ours) watch->loop = NULL;
    }
    uv_mutex_unlock(&lock);
}

void signal_watch_end(SignalWatch *watch, const Loop *loop) {
    watch_enter();
    if (watch->loop == loop) {
        watch_give_back(watch);
        watch->loop = NULL;
    }
    uv_mutex_unlock(&lock);
}

void signal_watch_claim(SignalWatch *watch) {
    watch_enter();
    if (watch->claims++ == 0) watch_give_back(watch);
    uv_mutex_unlock(&lock);
}

void signal_watch_disclaim(SignalWatch *watch) {
    watch_enter();
    if (--watch->claims == 0 && watch->loop != NULL) watch_take(watch);
    uv_mutex_unlock(&lock);
}

bool signal_watch_taken(SignalWatch *watch, const Loop *loop) {
    if (!atomic_load_explicit(&watch->came, memory_order_relaxed)) return false;
    watch_enter();
    bool is_ours = watch->loop == loop && atomic_exchange(&watch->came, false);
    uv_mutex_unlock(&lock);
    return is_ours;
}
