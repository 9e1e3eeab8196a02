/*
** Owns SIGQUIT while a loop runs that wants it.
*/
#include "base/platform.h"

#include "event/quit.h"

#include "event/inbox.h"

#include <signal.h>

#ifdef _WIN32

void quit_watch(Loop *loop) {
    (void)loop;
}

void quit_unwatch(Loop *loop) {
    (void)loop;
}

bool quit_taken(Loop *loop) {
    (void)loop;
    return false;
}

#else

static volatile sig_atomic_t came;
static Loop *volatile watching; /* SIGQUIT is the process's: one loop at a time has it */

static void quit_came(int number) {
    (void)number;
    came = 1;
    if (watching != NULL) inbox_send(watching);
}

static bool has_handler(void (*handler)(int number)) {
    struct sigaction now;
    return sigaction(SIGQUIT, NULL, &now) == 0 && now.sa_handler == handler;
}

static void set_handler(void (*handler)(int number)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGQUIT, &action, NULL);
}

void quit_watch(Loop *loop) {
    if (watching != NULL || !has_handler(SIG_DFL) || inbox_init(loop) != 0) return;
    came = 0;
    watching = loop;
    set_handler(quit_came);
}

void quit_unwatch(Loop *loop) {
    if (watching != loop) return;
    if (has_handler(quit_came)) set_handler(SIG_DFL);
    watching = NULL;
}

bool quit_taken(Loop *loop) {
    if (watching != loop || !came) return false;
    came = 0;
    return true;
}

#endif
