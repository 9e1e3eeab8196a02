/*
** Runners: the threads that workers run in. Some of them are kept when their worker has
** ended, for the next one, since making a thread costs more than waking one.
*/
#ifndef ARSENAL_WORKER_RUNNER_H
#define ARSENAL_WORKER_RUNNER_H

#include <uv.h>

typedef struct Runner Runner;

/*
** Calls work(runner, argument) in a thread of its own. Nobody waits for that thread. Returns
** 0 and the thread, or a status.
*/
int runner_start(void (*work)(Runner *runner, void *argument), void *argument, uv_thread_t *thread);

/*
** The work calls it once, at its very end, and before any other thread learns of that end:
** such a thread may get this runner for its work, which begins when this work has returned.
*/
void runner_offer(Runner *runner);

#endif
