/*
** Owns the system call that detaches a thread. POSIX only.
*/
#include "base/platform.h"

#include "system/detach_thread.h"

#include <pthread.h>

void detach_thread(uv_thread_t thread) {
    pthread_detach(thread);
}
