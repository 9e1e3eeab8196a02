/*
** Timers: one heap of deadlines, nanoseconds on the monotonic clock. Floor 1.
*/
#ifndef ARSENAL_TIMERS_H
#define ARSENAL_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Timer {
    uint64_t deadline;
    void (*fired)(struct Timer *timer); /* called once it is due and no longer set */
    uint32_t place;                     /* in the heap, from 1; 0 when it is not set */
} Timer;

typedef struct Timers {
    Timer **heap; /* heap[1] is the earliest; a heap of four children a node */
    uint32_t count, capacity;
} Timers;

static inline bool timer_is_set(const Timer *timer) {
    return timer->place != 0;
}

bool timers_set(Timers *timers, Timer *timer, uint64_t deadline); /* false: no memory */
void timers_clear(Timers *timers, Timer *timer);                  /* nothing for one not set */
Timer *timers_take_due(Timers *timers, uint64_t now);             /* NULL when none is due */
void timers_free(Timers *timers);

#endif
