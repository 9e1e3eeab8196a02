/*
** Owns SIGINT while a loop runs. The handler is taken away by the system at
** the first signal, so that a second one ends the process even where a task
** never gives the loop its turn.
*/
#include "event/interrupt.h"

#include "event/inbox.h"

#include <signal.h>

#ifdef _WIN32
typedef void (*Previous)(int);
#else
typedef struct sigaction Previous;
#endif

static volatile sig_atomic_t interrupted;
static Loop *volatile watching; /* SIGINT is the process's: one loop at a time has it */
static Previous previous;
static bool taken; /* the handler is ours, and `previous` is what was there */
static unsigned claims;

static void interrupt_came(int signal_number) {
    (void)signal_number;
    interrupted = 1;
    if (watching != NULL) inbox_send(watching);
}

#ifdef _WIN32 /* untested; there, too, the handler is reset before it is called */

static bool take_signal(void) {
    previous = signal(SIGINT, interrupt_came);
    if (previous == SIG_IGN) signal(SIGINT, SIG_IGN);
    return previous != SIG_IGN && previous != SIG_ERR;
}

static void give_back(void) {
    signal(SIGINT, previous);
}

#else

static bool take_signal(void) {
    struct sigaction action = {.sa_handler = interrupt_came, .sa_flags = SA_RESETHAND};
    if (sigaction(SIGINT, NULL, &previous) != 0 || previous.sa_handler == SIG_IGN) return false;
    return sigaction(SIGINT, &action, NULL) == 0;
}

static void give_back(void) {
    sigaction(SIGINT, &previous, NULL);
}

#endif

static void take(void) {
    taken = claims == 0 && take_signal();
}

static void leave(void) {
    if (taken) give_back();
    taken = false;
}

void interrupt_watch(Loop *loop) {
    if (watching != NULL || inbox_init(loop) != 0) return;
    interrupted = 0;
    watching = loop;
    take();
    if (!taken && claims == 0) watching = NULL;
}

void interrupt_unwatch(Loop *loop) {
    if (watching != loop) return;
    leave();
    watching = NULL;
}

void interrupt_claim(void) {
    if (claims++ == 0) leave();
}

void interrupt_disclaim(void) {
    if (--claims == 0 && watching != NULL) take();
}

bool interrupt_taken(Loop *loop) {
    if (watching != loop || !interrupted) return false;
    interrupted = 0;
    return true;
}
