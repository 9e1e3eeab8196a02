/*
** Detaching threads: nobody waits for the end of such a thread.
*/
#ifndef ARSENAL_SYSTEM_DETACH_THREAD_H
#define ARSENAL_SYSTEM_DETACH_THREAD_H

#include <uv.h>

/* The system frees what it keeps for the thread when the thread ends. Once for each thread, in any thread. */
void detach_thread(uv_thread_t thread);

#endif
