/*
** Owns the pair of a mutex and a condition variable.
*/
#include "base/monitor.h"

bool monitor_init(Monitor *monitor) {
    if (uv_mutex_init(&monitor->lock) != 0) return false;
    if (uv_cond_init(&monitor->changed) == 0) return true;
    uv_mutex_destroy(&monitor->lock);
    return false;
}

void monitor_destroy(Monitor *monitor) {
    uv_cond_destroy(&monitor->changed);
    uv_mutex_destroy(&monitor->lock);
}

void monitor_lock(Monitor *monitor) {
    uv_mutex_lock(&monitor->lock);
}

void monitor_unlock(Monitor *monitor) {
    uv_mutex_unlock(&monitor->lock);
}

void monitor_notify(Monitor *monitor) {
    uv_cond_broadcast(&monitor->changed);
}

bool monitor_wait(Monitor *monitor, uint64_t deadline) {
    uint64_t now = uv_hrtime();
    if (now >= deadline) return false;
    uv_cond_timedwait(&monitor->changed, &monitor->lock, deadline - now);
    return true;
}
