/*
** Signal handlers that watch a signal for a running loop. Windows has two such signals:
** SIGINT is Ctrl-C, and SIGBREAK is Ctrl-Break; the handler runs in a thread.
*/
#ifndef ARSENAL_SYSTEM_SIGNAL_HANDLER_H
#define ARSENAL_SYSTEM_SIGNAL_HANDLER_H

#include <signal.h>
#include <stdbool.h>

#ifdef _WIN32
typedef void (*SignalAction)(int number);
#else
typedef struct sigaction SignalAction;
#endif

typedef struct SignalHandler {
    int number;
    bool only_default; /* it is installed only if the signal has its default action */
    bool only_once;    /* it is for one signal; the next one has the default action */
    void (*came)(int number);
    SignalAction previous; /* what was there before */
} SignalHandler;

/* Returns whether the handler is installed: not for a signal that the process ignores. */
bool signal_handler_install(SignalHandler *handler);

/* A handler that other code has installed meanwhile stays. */
void signal_handler_uninstall(SignalHandler *handler);

#endif
