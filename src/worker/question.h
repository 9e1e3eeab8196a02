/*
** Questions: a parent asks a worker what its tasks are doing. The worker answers in its
** own thread, between two runs of its tasks.
*/
#ifndef ARSENAL_WORKER_QUESTION_H
#define ARSENAL_WORKER_QUESTION_H

#include "worker/thread.h"

/*
** [-0, +1] Asks the worker, and pushes the question, for worker_answer. `limit`: the
** seconds that the worker may wait for the answers of its own workers.
*/
void question_push_asked(lua_State *L, WorkerThread *thread, lua_Number limit);

void question_open(lua_State *L); /* [-0, +0] adds worker_answer to the table on top */

#endif
