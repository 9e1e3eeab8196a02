/*
** Owns the signal that reaches one thread. Lua allows a signal handler to set a
** debug hook, if it runs in the thread that runs Lua; another thread could not,
** while the hooked stack changes.
*/
#include "base/platform.h"

#include "event/nudge.h"

#include "kernel/task.h"

#ifdef _WIN32

void nudge_accept(Loop *loop, lua_Hook hook) {
    (void)loop, (void)hook;
}

void nudge_refuse(void) {}

void nudge_thread(uv_thread_t thread) {
    (void)thread;
}

#else

#include <pthread.h>
#include <signal.h>

static _Thread_local Loop *volatile accepting; /* this thread's loop, or NULL */
static _Thread_local lua_Hook wanted_hook;

static uv_once_t once = UV_ONCE_INIT;
static int number; /* the signal */

static void nudge_signal_came(int unused) {
    (void)unused;
    const Loop *loop = accepting;
    if (loop == NULL || loop->running == NULL) return;
    lua_sethook(loop->running->top, wanted_hook, LUA_MASKCOUNT, 1);
}

static bool nudge_is_free(int candidate) {
    struct sigaction now;
    return sigaction(candidate, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
}

/* A real-time signal that nobody uses; where there are none, one that is ignored by default. */
static void nudge_choose_signal(void) {
    number = SIGURG;
#ifdef SIGRTMIN
    for (int candidate = SIGRTMAX - 1; candidate > SIGRTMIN; candidate--) {
        if (!nudge_is_free(candidate)) continue;
        number = candidate;
        break;
    }
#endif
    struct sigaction action = {.sa_handler = nudge_signal_came, .sa_flags = SA_RESTART};
    sigaction(number, &action, NULL);
}

void nudge_accept(Loop *loop, lua_Hook hook) {
    uv_once(&once, nudge_choose_signal);
    wanted_hook = hook;
    accepting = loop;
}

void nudge_refuse(void) {
    accepting = NULL;
}

void nudge_thread(uv_thread_t thread) {
    pthread_kill(thread, number);
}

#endif
