/*
** Fuzzes base/timer_heap: a sequence of its operations, compared with a search
** through all timers.
*/
#include "input.h"

#include "base/timer_heap.h"

enum { TIMERS = 100 };

static Timer *earliest_naively(Timer timers[], uint64_t now) {
    Timer *earliest = NULL;
    for (int i = 0; i < TIMERS; i++) {
        if (!timer_is_set(&timers[i]) || timers[i].deadline > now) continue;
        if (earliest == NULL || timers[i].deadline < earliest->deadline) earliest = &timers[i];
    }
    return earliest;
}

static void timers_check(const TimerHeap *heap, Timer timers[]) {
    uint32_t count = 0;
    for (int i = 0; i < TIMERS; i++) {
        if (!timer_is_set(&timers[i])) continue;
        count++;
        fuzz_require(heap->heap[timers[i].place] == &timers[i]);
    }
    fuzz_require(count == heap->count);
}

static void timers_take(TimerHeap *heap, Timer timers[], uint64_t now) {
    Timer *expected = earliest_naively(timers, now);
    Timer *taken = timer_heap_take_due(heap, now);
    fuzz_require((expected == NULL) == (taken == NULL));
    if (taken == NULL) return;
    fuzz_require(taken->deadline == expected->deadline);
    fuzz_require(!timer_is_set(taken));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Input input = {data, size};
    TimerHeap heap = {0};
    Timer timers[TIMERS] = {{0}};
    while (input.size > 0) {
        uint8_t operation = input_byte(&input);
        Timer *timer = &timers[input_byte(&input) % TIMERS];
        if (operation % 3 == 0)
            fuzz_require(timer_heap_set(&heap, timer, input_byte(&input)));
        else if (operation % 3 == 1)
            timer_heap_clear(&heap, timer);
        else
            timers_take(&heap, timers, input_byte(&input));
        timers_check(&heap, timers);
    }
    timer_heap_free(&heap);
    return 0;
}
