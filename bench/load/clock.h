/* Clocks, in nanoseconds. */
#ifndef clock_h
#define clock_h

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

bool clock_read(clockid_t clock, uint64_t *nanoseconds); /* false if the clock is gone */
uint64_t now(void);

#endif
