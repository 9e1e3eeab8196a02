/*
** Owns the system call that detaches a thread, on Windows.
*/
#include "base/platform.h"

#include "system/detach_thread.h"

void detach_thread(uv_thread_t thread) {
    CloseHandle(thread);
}
