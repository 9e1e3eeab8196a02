/*
** Monitors: a lock, and waiting in other threads until what it guards has changed.
*/
#ifndef ARSENAL_BASE_MONITOR_H
#define ARSENAL_BASE_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef struct Monitor {
    uv_mutex_t lock;
    uv_cond_t changed;
} Monitor;

bool monitor_init(Monitor *monitor); /* false: the system lacks something; nothing to destroy */
void monitor_destroy(Monitor *monitor);

void monitor_lock(Monitor *monitor);
void monitor_unlock(Monitor *monitor);

/* --- while the calling thread has the lock --- */

/* Wakes the threads that wait. */
void monitor_notify(Monitor *monitor);

/*
** Waits for a notification until the deadline, which is in ns as uv_hrtime; others can have
** the lock meanwhile. It may return early: call it in a loop that looks at what is guarded.
** Returns false, and does not wait, after the deadline.
*/
bool monitor_wait(Monitor *monitor, uint64_t deadline);

#endif
