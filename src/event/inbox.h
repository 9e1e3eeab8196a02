/*
** The wakeup: how other threads and signal handlers reach the loop.
*/
#ifndef ARSENAL_EVENT_INBOX_H
#define ARSENAL_EVENT_INBOX_H

#include "kernel/loop.h"

/* Makes inbox_send possible. Returns 0 or a status. */
int inbox_init(Loop *loop);

/* Ends the poll that the loop is in, or the next one; from any thread or signal handler. */
void inbox_send(Loop *loop);

#endif
