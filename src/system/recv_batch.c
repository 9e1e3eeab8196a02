/*
** Owns receiving datagrams: recvmmsg on Linux, else one at a time. Floor 3.
*/
#include "base/platform.h"

#include "system/recv_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <uv.h>

#ifdef __linux__
typedef struct mmsghdr Header;
#else
typedef struct Header {
    struct msghdr msg_hdr;
    unsigned msg_len;
} Header;
#endif

struct Batch {
    Header headers[BATCH_MOST];
    struct iovec parts[BATCH_MOST];
    Address from[BATCH_MOST];
    char memory[BATCH_MOST][BATCH_DATAGRAM];
};

Batch *batch_new(void) {
    Batch *batch = malloc(sizeof *batch);
    if (batch == NULL) return NULL;
    for (int i = 0; i < BATCH_MOST; i++) {
        batch->parts[i] = (struct iovec){batch->memory[i], BATCH_DATAGRAM};
        batch->headers[i] = (Header){.msg_hdr = {
                                         .msg_name = &batch->from[i],
                                         .msg_namelen = sizeof batch->from[i],
                                         .msg_iov = &batch->parts[i],
                                         .msg_iovlen = 1,
                                     }};
    }
    return batch;
}

#ifdef __linux__

static int receive(Batch *batch, int fd, bool *drained) {
    int count = recvmmsg(fd, batch->headers, BATCH_MOST, 0, NULL);
    *drained = count < BATCH_MOST;
    return count;
}

#else /* untested */

static int receive(Batch *batch, int fd, bool *drained) {
    ssize_t size = recvmsg(fd, &batch->headers[0].msg_hdr, 0);
    *drained = size < 0;
    batch->headers[0].msg_len = (unsigned)size;
    return size < 0 ? -1 : 1;
}

#endif

int batch_receive(Batch *batch, int fd, bool *drained) {
    int count;
    do {
        count = receive(batch, fd, drained);
    } while (count < 0 && errno == EINTR);
    for (int i = 0; i < count; i++) /* the kernel has put in how long each address is */
        batch->headers[i].msg_hdr.msg_namelen = sizeof batch->from[i];
    if (count >= 0) return count;
    return errno == EWOULDBLOCK ? UV_EAGAIN : -errno;
}

const char *batch_datagram(const Batch *batch, int i, size_t *size, Address *from) {
    *size = batch->headers[i].msg_len;
    *from = batch->from[i];
    return batch->memory[i];
}
