/*
** Children: programs that this process has started. A child belongs to the loop from
** its start until it was reaped, also when no Lua object has it any more. Unless it
** is detached, it is ended with `run`, with the Lua state, and with the process.
*/
#ifndef ARSENAL_OS_CHILD_H
#define ARSENAL_OS_CHILD_H

#include "kernel/loop.h"

#include <uv.h>

typedef struct Child Child;

/* What is called for a child. Neither function runs Lua. */
typedef struct ChildOwner {
    /* The child was reaped. */
    void (*exited)(struct ChildOwner *owner, int status, int signal);
    /* The last call: so was its group, if that was to end with it. */
    void (*ended)(struct ChildOwner *owner);
} ChildOwner;

typedef struct ChildOptions {
    uv_process_options_t uv; /* exit_cb is child.c's */
    uint64_t grace;          /* nanoseconds between SIGTERM and SIGKILL, or FOREVER */
    bool detached;
} ChildOptions;

/*
** Starts a program. Returns 0 or a status; *started then has the owner, which must
** call child_disown before its memory goes.
*/
int child_start(Loop *loop, ChildOptions *options, ChildOwner *owner, Child **started);

void child_disown(Child *child); /* calls the owner no more; the owner must not use it any more */

int child_pid(const Child *child);

/* Sends a signal to the child and its group. Returns 0 or a status. */
int child_signal(Child *child, int signal);

/*
** Begins to end the child and its group: SIGTERM, and SIGCONT for those that are
** stopped; SIGKILL for those that are there when `grace` has passed. Does nothing
** for one that is ending. Must not be called for one that is detached.
*/
void child_end(Child *child);

#endif
