/*
** Batches: datagrams taken from the kernel, several with one system call where
** the system has such a call.
*/
#ifndef ARSENAL_SYSTEM_RECV_BATCH_H
#define ARSENAL_SYSTEM_RECV_BATCH_H

#include "base/address.h"

#include <stddef.h>

enum { RECV_BATCH_MOST = 16, RECV_BATCH_DATAGRAM = 64 * 1024 /* bytes; none is larger */ };

typedef struct RecvBatch RecvBatch;

/* NULL: no memory. It is freed with free. Most of it is touched only by large datagrams. */
RecvBatch *recv_batch_new(void);

/*
** Takes the datagrams that have arrived, at most RECV_BATCH_MOST. Returns their
** number or a status. *drained: there were no more.
*/
int recv_batch_receive(RecvBatch *batch, int fd, bool *drained);

const char *recv_batch_datagram(const RecvBatch *batch, int i, size_t *size, Address *from);

#endif
