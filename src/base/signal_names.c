/*
** Owns the table of signals.
*/
#include "base/signal_names.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <uv.h> /* the signals that libuv has on Windows */

typedef struct NamedSignal {
    const char *name;
    int number;
    bool can_be_handled;
} NamedSignal;

static const NamedSignal named_signals[] = {
    {"SIGHUP", SIGHUP, true},     {"SIGINT", SIGINT, true},     {"SIGTERM", SIGTERM, true},
    {"SIGKILL", SIGKILL, false},  {"SIGWINCH", SIGWINCH, true},
#ifdef _WIN32
    {"SIGBREAK", SIGBREAK, true},
#else
    {"SIGQUIT", SIGQUIT, true},  {"SIGUSR1", SIGUSR1, true},   {"SIGUSR2", SIGUSR2, true},
    {"SIGCHLD", SIGCHLD, true},  {"SIGALRM", SIGALRM, true},   {"SIGPIPE", SIGPIPE, true},
    {"SIGCONT", SIGCONT, true},  {"SIGSTOP", SIGSTOP, false},  {"SIGTSTP", SIGTSTP, true},
    {"SIGTTIN", SIGTTIN, true},  {"SIGTTOU", SIGTTOU, true},   {"SIGURG", SIGURG, true},
    {"SIGXCPU", SIGXCPU, true},  {"SIGXFSZ", SIGXFSZ, true},   {"SIGVTALRM", SIGVTALRM, true},
    {"SIGPROF", SIGPROF, true},  {"SIGIO", SIGIO, true},       {"SIGSYS", SIGSYS, true},
    {"SIGTRAP", SIGTRAP, true},  {"SIGABRT", SIGABRT, true},   {"SIGSEGV", SIGSEGV, false},
    {"SIGBUS", SIGBUS, false},   {"SIGFPE", SIGFPE, false},    {"SIGILL", SIGILL, false},
#endif
};

enum { NAMED_SIGNALS = sizeof named_signals / sizeof *named_signals };

int signal_number(const char *name) {
    for (size_t i = 0; i < NAMED_SIGNALS; i++)
        if (strcmp(name, named_signals[i].name) == 0 ||
            strcmp(name, named_signals[i].name + strlen("SIG")) == 0)
            return named_signals[i].number;
    return 0;
}

static const NamedSignal *signal_find(int number) {
    for (size_t i = 0; i < NAMED_SIGNALS; i++)
        if (named_signals[i].number == number) return &named_signals[i];
    return NULL;
}

const char *signal_name(int number) {
    const NamedSignal *found = signal_find(number);
    return found != NULL ? found->name : NULL;
}

bool signal_can_be_handled(int number) {
    const NamedSignal *found = signal_find(number);
    return found != NULL && found->can_be_handled;
}
