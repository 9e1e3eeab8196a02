#include "clock.h"

bool clock_read(clockid_t clock, uint64_t *nanoseconds) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) return false;
    *nanoseconds = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return true;
}

uint64_t now(void) {
    uint64_t nanoseconds = 0;
    clock_read(CLOCK_MONOTONIC, &nanoseconds);
    return nanoseconds;
}
