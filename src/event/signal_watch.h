/*
** Signal watches: a signal of the process that one loop at a time takes while
** it runs. Signals are the process's, so all of this is behind one lock.
*/
#ifndef ARSENAL_EVENT_SIGNAL_WATCH_H
#define ARSENAL_EVENT_SIGNAL_WATCH_H

#include "event/inbox.h"
#include "system/signal_handler.h"

#include <stdatomic.h>

typedef struct SignalWatch {
    SignalHandler handler; /* its first three members say what is watched; the rest is set here */

    /* signal_watch.c's own */
    atomic_bool came;       /* and was not taken */
    _Atomic(Inbox *) inbox; /* of the loop, while the handler is ours */
    Loop *loop;             /* the one that the signal is for, or NULL; then its inbox */
    Inbox *loop_inbox;
    bool is_ours;    /* the handler is installed */
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
