/*
** Batches: datagrams taken from the kernel, several with one system call where
** there is one for that.
*/
#ifndef ARSENAL_SYSTEM_RECV_BATCH_H
#define ARSENAL_SYSTEM_RECV_BATCH_H

#include "base/address.h"

#include <stddef.h>

enum { RECV_BATCH_MOST = 16, RECV_BATCH_DATAGRAM = 64 * 1024 /* bytes; none is larger */ };

typedef struct RecvBatch RecvBatch;

RecvBatch *
recv_batch_new(void); /* NULL for want of memory; most of it is touched only by large datagrams */

/*
** Takes what has arrived, at most RECV_BATCH_MOST datagrams. Returns their number, or
** a status. *drained tells that there were no more.
*/
int recv_batch_receive(RecvBatch *batch, int fd, bool *drained);

const char *recv_batch_datagram(const RecvBatch *batch, int i, size_t *size, Address *from);

#endif
