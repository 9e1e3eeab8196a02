/*
** Batches of sends: small messages for stream sockets, passed to the kernel with
** one system call where the system has such a call.
*/
#ifndef ARSENAL_SYSTEM_SEND_BATCH_H
#define ARSENAL_SYSTEM_SEND_BATCH_H

#include "system/send_request.h"

#include <stdbool.h>

typedef struct SendBatch {
    unsigned count;
    SendRequest requests[SEND_BATCH_MOST];
    struct SendRing *ring; /* NULL: each request is a system call */
    bool was_asked;        /* whether the kernel was asked for a ring */
} SendBatch;

/* Makes all the sends, none of which waits. */
void send_batch_run(SendBatch *batch);

/* Frees what an empty batch (all 0) has got meanwhile. */
void send_batch_free(SendBatch *batch);

#endif
