/*
** Owns nudges on Windows. A thread is stopped while another one sets its debug hook: for
** Lua that is what a signal handler in the thread would be.
*/
#include "base/platform.h"

#include "event/nudge.h"

#include "kernel/task.h"

#include <stdlib.h>

/* A thread that accepts nudges. */
typedef struct Nudged {
    DWORD thread;
    const Loop *loop;
    lua_Hook hook;
    struct Nudged *next;
} Nudged;

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; /* guards the list */
static Nudged *threads;

static void nudge_set_up(void) {
    uv_mutex_init(&lock);
}

/* The lock is held. Returns the place in the list where the thread is, or its end. */
static Nudged **nudge_find(DWORD thread) {
    Nudged **link = &threads;
    while (*link != NULL && (*link)->thread != thread)
        link = &(*link)->next;
    return link;
}

/* Without memory the thread accepts none. */
void nudge_accept(Loop *loop, lua_Hook hook) {
    Nudged *nudged = malloc(sizeof *nudged);
    uv_once(&once, nudge_set_up);
    if (nudged == NULL) return;
    uv_mutex_lock(&lock);
    *nudged = (Nudged){GetCurrentThreadId(), loop, hook, threads};
    threads = nudged;
    uv_mutex_unlock(&lock);
}

void nudge_refuse(void) {
    uv_once(&once, nudge_set_up);
    uv_mutex_lock(&lock);
    Nudged **link = nudge_find(GetCurrentThreadId()), *nudged = *link;
    if (nudged != NULL) *link = nudged->next;
    uv_mutex_unlock(&lock);
    free(nudged);
}

/* The thread is stopped once its registers can be read. It may hold any lock: so none is taken meanwhile. */
static void nudge_stopped(HANDLE thread, const Nudged *nudged) {
    CONTEXT registers = {.ContextFlags = CONTEXT_CONTROL};
    if (SuspendThread(thread) == (DWORD)-1) return;
    const Task *running = GetThreadContext(thread, &registers) ? nudged->loop->running : NULL;
    if (running != NULL) lua_sethook(running->top, nudged->hook, LUA_MASKCOUNT, 1);
    ResumeThread(thread);
}

void nudge_thread(uv_thread_t thread) {
    uv_once(&once, nudge_set_up);
    uv_mutex_lock(&lock);
    const Nudged *nudged = *nudge_find(GetThreadId(thread));
    if (nudged != NULL) nudge_stopped(thread, nudged);
    uv_mutex_unlock(&lock);
}
