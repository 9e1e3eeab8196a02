/*
** TimerHeap: one heap of deadlines, nanoseconds on the monotonic clock.
*/
#ifndef ARSENAL_BASE_TIMER_HEAP_H
#define ARSENAL_BASE_TIMER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Timer {
    uint64_t deadline;
    void (*fired)(struct Timer *timer); /* called when it is due; it is not set any more then */
    uint32_t place;                     /* in the heap, from 1; 0 when it is not set */
} Timer;

typedef struct TimerHeap {
    Timer **heap; /* heap[1] is the earliest timer */
    uint32_t count, capacity;
} TimerHeap;

static inline bool timer_is_set(const Timer *timer) {
    return timer->place != 0;
}

bool timer_heap_set(TimerHeap *timers, Timer *timer, uint64_t deadline); /* false: no memory */
void timer_heap_clear(TimerHeap *timers, Timer *timer);      /* may be one that is not set */
Timer *timer_heap_take_due(TimerHeap *timers, uint64_t now); /* NULL if none is due */
void timer_heap_free(TimerHeap *timers);

#endif
