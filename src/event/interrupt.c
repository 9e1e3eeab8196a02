/*
** Owns SIGINT while a loop runs. The system takes the handler away at the first
** signal, so that a second one ends the process even where a task never lets
** the loop run.
*/
#include "event/interrupt.h"

#include "event/signal_watch.h"

static SignalWatch watch = {.handler = {.number = SIGINT, .only_once = true}};

void interrupt_watch(Loop *loop) {
    signal_watch_begin(&watch, loop);
}

void interrupt_unwatch(Loop *loop) {
    signal_watch_end(&watch, loop);
}

void interrupt_claim(void) {
    signal_watch_claim(&watch);
}

void interrupt_disclaim(void) {
    signal_watch_disclaim(&watch);
}

bool interrupt_taken(Loop *loop) {
    return signal_watch_taken(&watch, loop);
}
