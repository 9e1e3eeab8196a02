/*
** Workers, as the rest of their parent's Lua state sees them.
*/
#ifndef ARSENAL_WORKER_WORKER_H
#define ARSENAL_WORKER_WORKER_H

#include "kernel/loop.h"

unsigned
worker_count(const Loop *loop); /* those that the state has started and that have not ended */

#endif
