/*
** A ring for sends: Linux's io_uring, used for nothing but sends that do not
** wait. All of them are done when the system call returns, so nothing is ever in
** flight. Not every system has it, and not every process may use it.
*/
#ifndef ARSENAL_SYSTEM_SEND_RING_H
#define ARSENAL_SYSTEM_SEND_RING_H

#include "system/send_request.h"

typedef struct SendRing SendRing;

/*
** Returns a ring for SEND_BATCH_MOST requests. NULL: the kernel refuses one or has
** no descriptor or memory for it, or the environment has ARSENAL_IO_URING=0. A process
** under a seccomp filter does not ask, because that might end it, unless the
** environment has ARSENAL_IO_URING=1. A forked child must not use its parent's ring.
*/
SendRing *send_ring_new(void);

/*
** Makes the sends with one system call, and sets their results. Returns how many
** were made, counted from the first: if not all, the ring is of no use any more.
*/
unsigned send_ring_run(SendRing *ring, SendRequest *requests, unsigned count);

void send_ring_free(SendRing *ring);

#endif
