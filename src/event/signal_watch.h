/*
** Signal watches: a signal of the process that one loop at a time takes while
** it runs. Signals are the process's, so all of this is behind one lock.
*/
#ifndef ARSENAL_EVENT_SIGNAL_WATCH_H
#define ARSENAL_EVENT_SIGNAL_WATCH_H

#include "event/inbox.h"

#include <signal.h>
#include <stdatomic.h>

#ifdef _WIN32
typedef void (*SignalAction)(int number);
#else
typedef struct sigaction SignalAction;
#endif

typedef struct SignalWatch {
    int number;
    bool only_default; /* the signal is watched only if it has its default action */
    bool only_once;    /* the handler is for one signal; the next one has the default action */

    /* signal_watch.c's own */
    atomic_bool came;       /* and was not taken */
    _Atomic(Inbox *) inbox; /* of the loop, while the handler is ours */
    Loop *loop;             /* the one that the signal is for, or NULL; then its inbox */
    Inbox *loop_inbox;
    SignalAction previous;
    bool is_ours;    /* our handler is installed; `previous` was there before */
    unsigned claims; /* signal objects handle the signal meanwhile */
    struct SignalWatch *next;
} SignalWatch;

/*
** Until signal_watch_end the signal is for the loop. Does nothing if another loop
** has the signal, or the process ignores it.
*/
void signal_watch_begin(SignalWatch *watch, Loop *loop);
void signal_watch_end(SignalWatch *watch, const Loop *loop);

/* This loop never takes a signal, whatever is begun for it. Returns false if there is no memory. */
bool signal_watch_exempt(Loop *loop);

/* While claims exist, signal objects handle the signal, and not the loop. */
void signal_watch_claim(SignalWatch *watch);
void signal_watch_disclaim(SignalWatch *watch);

/* Whether the signal came for this loop since the last call. */
bool signal_watch_taken(SignalWatch *watch, const Loop *loop);

#endif
