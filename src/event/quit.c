/*
** Owns SIGQUIT while a loop runs whose program has a function for it.
*/
#include "event/quit.h"

#include "event/signal_watch.h"

#ifdef SIGQUIT

static SignalWatch watch = {.number = SIGQUIT, .only_default = true};

void quit_watch(Loop *loop) {
    signal_watch_begin(&watch, loop);
}

void quit_unwatch(Loop *loop) {
    signal_watch_end(&watch, loop);
}

bool quit_taken(Loop *loop) {
    return signal_watch_taken(&watch, loop);
}

#else

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

#endif
