/*
** Workers, as the rest of their parent's Lua state sees them.
*/
#ifndef ARSENAL_WORKER_WORKER_H
#define ARSENAL_WORKER_WORKER_H

#include "kernel/loop.h"

/* How many workers the state has started that have not ended. */
unsigned worker_count(const Loop *loop);

#endif
