/*
** Owns the signal that reaches one thread. Lua allows a signal handler to set a
** debug hook, if it runs in the thread that runs Lua; another thread could not,
** while the hooked stack changes.
*/
#include "base/platform.h"

#include "event/nudge.h"

#include "kernel/task.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static uv_once_t once = UV_ONCE_INIT;
static int number; /* the signal */

/*
** The key has the loop of a thread that accepts nudges. A _Thread_local variable would
** do as well, but its section leads lldb to wrong names for other variables.
*/
static uv_key_t accepting;
static _Atomic(lua_Hook) wanted_hook;

static void nudge_signal_came(int unused) {
    (void)unused;
    const Loop *loop = uv_key_get(&accepting);
    if (loop == NULL || loop->running == NULL) return;
    lua_sethook(loop->running->top, atomic_load(&wanted_hook), LUA_MASKCOUNT, 1);
}

#ifdef SIGRTMIN

static bool nudge_is_free(int candidate) {
    struct sigaction now;
    return sigaction(candidate, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
}

/* A real-time signal that nobody uses. */
static int nudge_find_signal(void) {
    for (int candidate = SIGRTMAX - 1; candidate > SIGRTMIN; candidate--)
        if (nudge_is_free(candidate)) return candidate;
    return SIGURG;
}

#else

/* It is ignored by default. */
static int nudge_find_signal(void) {
    return SIGURG;
}

#endif

static void nudge_choose_signal(void) {
    if (uv_key_create(&accepting) != 0) return;
    number = nudge_find_signal();
    struct sigaction action = {.sa_handler = nudge_signal_came, .sa_flags = SA_RESTART};
    sigaction(number, &action, NULL);
}

void nudge_accept(Loop *loop, lua_Hook hook) {
    uv_once(&once, nudge_choose_signal);
    if (number == 0) return;
    atomic_store(&wanted_hook, hook);
    uv_key_set(&accepting, loop);
}

void nudge_refuse(void) {
    if (number != 0) uv_key_set(&accepting, NULL);
}

void nudge_thread(uv_thread_t thread) {
    if (number != 0) pthread_kill(thread, number);
}
