/*
** The clock: the only place that asks for the time. Deadlines of the loop are on it.
*/
#ifndef ARSENAL_KERNEL_CLOCK_H
#define ARSENAL_KERNEL_CLOCK_H

#include "kernel/loop.h"

/* Nanoseconds on the loop's clock, which is the system's monotonic one. */
static inline uint64_t clock_now(const Loop *loop) {
    (void)loop;
    return uv_hrtime();
}

/* The deadline that is `duration` from now; FOREVER stays FOREVER. */
static inline uint64_t clock_deadline(const Loop *loop, uint64_t duration) {
    return duration == FOREVER ? FOREVER : clock_now(loop) + duration;
}

#endif
