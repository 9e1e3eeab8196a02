/*
** Owns the heap of timers. Each node has four children: as many comparisons
** as with two, in half as many cache lines.
*/
#include "base/timer_heap.h"

#include <stdlib.h>

enum { ARITY = 4 };

static void heap_place(TimerHeap *timers, uint32_t index, Timer *timer) {
    timers->heap[index] = timer;
    timer->place = index;
}

static uint32_t heap_parent(uint32_t index) {
    return (index - 2) / ARITY + 1;
}

static void heap_sift_up(TimerHeap *timers, uint32_t index, Timer *timer) {
    while (index > 1 && timers->heap[heap_parent(index)]->deadline > timer->deadline) {
        heap_place(timers, index, timers->heap[heap_parent(index)]);
        index = heap_parent(index);
    }
    heap_place(timers, index, timer);
}

static uint32_t heap_earliest_child(const TimerHeap *timers, uint32_t index) {
    uint32_t first = (index - 1) * ARITY + 2, earliest = first;
    for (uint32_t child = first + 1; child < first + ARITY && child <= timers->count; child++)
        if (timers->heap[child]->deadline < timers->heap[earliest]->deadline) earliest = child;
    return earliest;
}

static void heap_sift_down(TimerHeap *timers, uint32_t index, Timer *timer) {
    for (;;) {
        uint32_t child = heap_earliest_child(timers, index);
        if (child > timers->count || timers->heap[child]->deadline >= timer->deadline) break;
        heap_place(timers, index, timers->heap[child]);
        index = child;
    }
    heap_place(timers, index, timer);
}

static bool heap_grow(TimerHeap *timers) {
    uint32_t capacity = timers->capacity == 0 ? 64 : 2 * timers->capacity;
    Timer **heap = realloc(timers->heap, capacity * sizeof *heap);
    if (heap == NULL) return false;
    timers->heap = heap;
    timers->capacity = capacity;
    return true;
}

bool timer_heap_set(TimerHeap *timers, Timer *timer, uint64_t deadline) {
    timer_heap_clear(timers, timer);
    if (timers->count + 1 >= timers->capacity && !heap_grow(timers)) return false;
    timer->deadline = deadline;
    heap_sift_up(timers, ++timers->count, timer);
    return true;
}

void timer_heap_clear(TimerHeap *timers, Timer *timer) {
    uint32_t index = timer->place;
    if (index == 0) return;
    timer->place = 0;
    Timer *last = timers->heap[timers->count--];
    if (last == timer) return;
    if (index > 1 && timers->heap[heap_parent(index)]->deadline > last->deadline)
        heap_sift_up(timers, index, last);
    else
        heap_sift_down(timers, index, last);
}

Timer *timer_heap_take_due(TimerHeap *timers, uint64_t now) {
    if (timers->count == 0 || timers->heap[1]->deadline > now) return NULL;
    Timer *timer = timers->heap[1];
    timer_heap_clear(timers, timer);
    return timer;
}

void timer_heap_free(TimerHeap *timers) {
    for (uint32_t index = 1; index <= timers->count; index++)
        timers->heap[index]->place = 0;
    free(timers->heap);
    *timers = (TimerHeap){0};
}
