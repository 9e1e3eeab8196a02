/*
** The clock: the only place that asks for the time. Deadlines of the loop are on it.
*/
#ifndef ARSENAL_KERNEL_CLOCK_H
#define ARSENAL_KERNEL_CLOCK_H

#include "kernel/loop.h"

#include <time.h>

/* Nanoseconds on the loop's clock, which is the system's monotonic one. */
static inline uint64_t clock_now(const Loop *loop) {
    (void)loop;
    return uv_hrtime();
}

/* A number that changes every few milliseconds, and costs a quarter of the time. */
static inline uint64_t clock_tick(const Loop *loop) {
#ifdef CLOCK_MONOTONIC_COARSE
    struct timespec time;
    (void)loop;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
#else
    return clock_now(loop) / 4000000;
#endif
}

/* The deadline that is `duration` from now; FOREVER stays FOREVER. */
static inline uint64_t clock_deadline(const Loop *loop, uint64_t duration) {
    return duration == FOREVER ? FOREVER : clock_now(loop) + duration;
}

#endif
