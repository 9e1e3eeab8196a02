/*
** Owns how Ctrl-C and Ctrl-Break are handled on Windows. The console calls the handlers
** of a process in a thread, the last one first, until one returns true: the library of C
** has one, too, which does what `signal` has set.
*/
#include "base/platform.h"

#include "system/signal_handler.h"

#include <stdatomic.h>

enum { WATCHED = 2 };

/* The number says which keys it is for; NULL: nobody watches them. */
static _Atomic(SignalHandler *) watched[WATCHED];

static _Atomic(SignalHandler *) *handler_slot(int number) {
    return number == SIGINT ? &watched[0] : number == SIGBREAK ? &watched[1] : NULL;
}

/* Ctrl-Break is Ctrl-C's, unless it is watched itself. */
static SignalHandler *handler_for(DWORD event) {
    SignalHandler *handler = NULL;
    if (event == CTRL_BREAK_EVENT) handler = atomic_load(handler_slot(SIGBREAK));
    return handler != NULL ? handler : atomic_load(handler_slot(SIGINT));
}

static BOOL WINAPI handler_called(DWORD event) {
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) return FALSE;
    SignalHandler *handler = handler_for(event);
    if (handler == NULL) return FALSE;
    if (handler->only_once) atomic_store(handler_slot(handler->number), NULL);
    handler->came(handler->number);
    return TRUE;
}

bool signal_handler_install(SignalHandler *handler) {
    _Atomic(SignalHandler *) *slot = handler_slot(handler->number);
    if (slot == NULL) return false;
    handler->previous = signal(handler->number, SIG_DFL);
    bool is_left_alone = handler->previous == SIG_IGN || handler->previous == SIG_ERR ||
                         (handler->only_default && handler->previous != SIG_DFL);
    if (is_left_alone) {
        signal(handler->number, handler->previous);
        return false;
    }
    SetConsoleCtrlHandler(handler_called, FALSE);
    atomic_store(slot, handler);
    return SetConsoleCtrlHandler(handler_called, TRUE) != 0;
}

/* The function stays registered: without a handler it leaves the keys to others. */
void signal_handler_uninstall(SignalHandler *handler) {
    atomic_store(handler_slot(handler->number), NULL);
    SignalAction now = signal(handler->number, handler->previous);
    if (now != SIG_DFL) signal(handler->number, now);
}
