/*
** Worker states: the life of a worker's Lua state, in its thread.
*/
#ifndef ARSENAL_WORKER_STATE_H
#define ARSENAL_WORKER_STATE_H

#include "worker/thread.h"

/* The whole life, for thread_start: the thread has its outcome then. */
void state_live(WorkerThread *thread);

#endif
