/*
** Owns receiving datagrams: with recvmmsg on Linux, elsewhere one at a time.
*/
#include "base/platform.h"

#include "system/recv_batch.h"

#include <stdlib.h>
#include <sys/uio.h>
#include <uv.h>

#ifdef __linux__
typedef struct mmsghdr BatchHeader;
#else
typedef struct BatchHeader {
    struct msghdr msg_hdr;
    unsigned msg_len;
} BatchHeader;
#endif

struct RecvBatch {
    BatchHeader headers[RECV_BATCH_MOST];
    struct iovec parts[RECV_BATCH_MOST];
    Address from[RECV_BATCH_MOST];
    char memory[RECV_BATCH_MOST][RECV_BATCH_DATAGRAM];
};

RecvBatch *recv_batch_new(void) {
    RecvBatch *batch = malloc(sizeof *batch);
    if (batch == NULL) return NULL;
    for (int i = 0; i < RECV_BATCH_MOST; i++) {
        batch->parts[i] = (struct iovec){batch->memory[i], RECV_BATCH_DATAGRAM};
        batch->headers[i] = (BatchHeader){.msg_hdr = {
                                              .msg_name = &batch->from[i],
                                              .msg_namelen = sizeof batch->from[i],
                                              .msg_iov = &batch->parts[i],
                                              .msg_iovlen = 1,
                                          }};
    }
    return batch;
}

#ifdef __linux__

static int recv_batch_fill(RecvBatch *batch, int fd, bool *drained) {
    int count = recvmmsg(fd, batch->headers, RECV_BATCH_MOST, 0, NULL);
    *drained = count < RECV_BATCH_MOST;
    return count;
}

#else /* untested */

static int recv_batch_fill(RecvBatch *batch, int fd, bool *drained) {
    ssize_t size = recvmsg(fd, &batch->headers[0].msg_hdr, 0);
    *drained = false;
    batch->headers[0].msg_len = (unsigned)size;
    return size < 0 ? -1 : 1;
}

#endif

int recv_batch_receive(RecvBatch *batch, int fd, bool *drained) {
    int count;
    RETRY_ON_EINTR(count = recv_batch_fill(batch, fd, drained));
    for (int i = 0; i < count; i++) /* the kernel has overwritten it with the address's length */
        batch->headers[i].msg_hdr.msg_namelen = sizeof batch->from[i];
    if (count >= 0) return count;
    /* Any other error is about a datagram that was sent: datagrams may have arrived behind it. */
    *drained = errno == EWOULDBLOCK;
    return *drained ? UV_EAGAIN : -errno;
}

const char *recv_batch_datagram(const RecvBatch *batch, int i, size_t *size, Address *from) {
    *size = batch->headers[i].msg_len;
    *from = batch->from[i];
    return batch->memory[i];
}
