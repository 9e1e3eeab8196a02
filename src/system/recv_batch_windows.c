/*
** Owns receiving datagrams on Windows: one at a time.
*/
#include "base/platform.h"

#include "system/recv_batch.h"

#include <stdlib.h>
#include <uv.h>

struct RecvBatch {
    Address from;
    size_t size;
    char memory[RECV_BATCH_DATAGRAM];
};

RecvBatch *recv_batch_new(void) {
    return malloc(sizeof(RecvBatch));
}

/* The system reports a datagram that was sent and refused as a reset. */
int recv_batch_receive(RecvBatch *batch, int fd, bool *drained) {
    int size = sizeof batch->from;
    int count =
        recvfrom((SOCKET)fd, batch->memory, sizeof batch->memory, 0, &batch->from.any, &size);
    int status = count >= 0 ? 1 : uv_translate_sys_error(WSAGetLastError());
    batch->size = count >= 0 ? (size_t)count : 0;
    *drained = status == UV_EAGAIN;
    return status == UV_ECONNRESET ? UV_ECONNREFUSED : status;
}

const char *recv_batch_datagram(const RecvBatch *batch, int i, size_t *size, Address *from) {
    (void)i;
    *size = batch->size;
    *from = batch->from;
    return batch->memory;
}
