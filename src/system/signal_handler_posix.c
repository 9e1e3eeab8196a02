/*
** Owns how handlers of signals are installed. POSIX only.
*/
#include "base/platform.h"

#include "system/signal_handler.h"

#include <stddef.h>

bool signal_handler_install(SignalHandler *handler) {
    struct sigaction *previous = &handler->previous;
    struct sigaction action = {
        .sa_handler = handler->came,
        .sa_flags = handler->only_once ? (int)SA_RESETHAND : SA_RESTART,
    };
    if (sigaction(handler->number, NULL, previous) != 0) return false;
    bool is_default = previous->sa_handler == SIG_DFL;
    if (previous->sa_handler == SIG_IGN || (handler->only_default && !is_default)) return false;
    return sigaction(handler->number, &action, NULL) == 0;
}

void signal_handler_uninstall(SignalHandler *handler) {
    struct sigaction now;
    if (sigaction(handler->number, NULL, &now) != 0) return;
    bool was_used = handler->only_once && now.sa_handler == SIG_DFL;
    if (was_used || now.sa_handler == handler->came)
        sigaction(handler->number, &handler->previous, NULL);
}
