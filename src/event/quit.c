/*
** Owns SIGQUIT while a loop runs whose program has a function for it.
*/
#include "event/quit.h"

#include "event/signal_watch.h"

#ifdef SIGQUIT
enum { NUMBER = SIGQUIT };
#else
enum { NUMBER = SIGBREAK }; /* Windows has Ctrl-Break instead */
#endif

static SignalWatch watch = {.handler = {.number = NUMBER, .only_default = true}};

void quit_watch(Loop *loop) {
    signal_watch_begin(&watch, loop);
}

void quit_unwatch(Loop *loop) {
    signal_watch_end(&watch, loop);
}

bool quit_taken(Loop *loop) {
    return signal_watch_taken(&watch, loop);
}
