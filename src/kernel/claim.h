/*
** Claims: waits that other threads can end. A task opens a claim before it waits on
** something that several Lua states share. The thread that takes the claim first ends the
** wait: a thread that serves the task, or the task's own thread, which then undoes
** the wait. So a wait on several things is ended by one of them only. A task has one
** claim, made when it first needs one, which lives as long as the loop is open. While
** the claim is in use, task->claimed is set.
*/
#ifndef ARSENAL_KERNEL_CLAIM_H
#define ARSENAL_KERNEL_CLAIM_H

#include "base/list.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum ClaimState {
    CLAIM_NONE, /* it is not in use */
    CLAIM_OPEN,
    CLAIM_OURS,  /* the task's own thread has taken it */
    CLAIM_TAKEN, /* another thread has, or another task of the same one, and serves the task */
} ClaimState;

typedef struct Claim {
    _Atomic(ClaimState) state;
    struct Task *task;
    struct ClaimPort *port; /* see claim_port.h */
    ListNode of_loop;
    ListNode node;
    bool is_listed;
} Claim;

/* In the task's own thread: takes it, unless it was taken. Then false: the task is about to be woken. */
static inline bool claim_close(Claim *claim) {
    ClaimState state = CLAIM_OPEN;
    atomic_compare_exchange_strong(&claim->state, &state, CLAIM_OURS);
    return state != CLAIM_TAKEN;
}

/* To serve the task; false: the claim is not open any more. See claim_won in claim_port.h. */
static inline bool claim_take(Claim *claim) {
    ClaimState state = CLAIM_OPEN;
    return atomic_compare_exchange_strong(&claim->state, &state, CLAIM_TAKEN);
}

static inline bool claim_is_open(const Claim *claim) {
    return atomic_load(&claim->state) == CLAIM_OPEN;
}

#endif
