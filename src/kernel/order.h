/*
** Order: which ready task runs next, and where a choice between equals begins.
** Both are decided here and nowhere else, so that a seed could decide them.
*/
#ifndef ARSENAL_KERNEL_ORDER_H
#define ARSENAL_KERNEL_ORDER_H

#include "kernel/loop.h"

static inline void order_add(Loop *loop, ReadyNode *node) {
    node->next = NULL;
    if (loop->ready == 0)
        loop->ready_first = node;
    else
        loop->ready_last->next = node;
    loop->ready_last = node;
    loop->ready++;
}

/* Takes the next of the ready ones, of which there is at least one: first come, first served. */
static inline ReadyNode *order_take(Loop *loop) {
    ReadyNode *node = loop->ready_first;
    loop->ready_first = node->next;
    loop->ready--;
    return node;
}

/* One of 0 to n - 1, each as likely as the others (Marsaglia's xorshift). */
static inline unsigned order_choose(Loop *loop, unsigned n) {
    uint32_t x = loop->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    loop->random = x;
    return (unsigned)(((uint64_t)x * n) >> 32);
}

#endif
