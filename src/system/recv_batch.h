/*
** Batches: datagrams taken from the kernel, several with one system call where
** there is one for that. Floor 3.
*/
#ifndef ARSENAL_BATCH_H
#define ARSENAL_BATCH_H

#include "base/address.h"

#include <stddef.h>

enum { BATCH_MOST = 16, BATCH_DATAGRAM = 64 * 1024 /* bytes; none is larger */ };

typedef struct Batch Batch;

Batch *batch_new(void); /* NULL for want of memory; most of it is touched only by large datagrams */

/*
** Takes what has arrived, at most BATCH_MOST datagrams. Returns their number, or
** a status. *drained tells that there were no more.
*/
int batch_receive(Batch *batch, int fd, bool *drained);

const char *batch_datagram(const Batch *batch, int i, size_t *size, Address *from);

#endif
