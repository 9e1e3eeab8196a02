/*
** The wakeup: how other threads and signal handlers reach the loop. Floor 2.
*/
#ifndef ARSENAL_WAKEUP_H
#define ARSENAL_WAKEUP_H

#include "kernel/loop.h"

/* Makes wakeup_send possible. Returns 0 or a status. */
int wakeup_init(Loop *loop);

/* Ends the poll that the loop is in, or the next one; from any thread or signal handler. */
void wakeup_send(Loop *loop);

#endif
