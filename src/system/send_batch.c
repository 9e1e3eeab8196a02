/*
** Owns batches of sends: through a ring where the kernel grants one, otherwise
** one system call for each.
*/
#include "system/send_batch.h"

#include "system/send_ring.h"
#include "system/socket.h"

#include <uv.h>

static void send_batch_send(SendRequest *request) {
    uv_buf_t part = {.base = (char *)request->data, .len = request->size};
    request->result = socket_write(request->fd, &part, 1);
}

static SendRing *send_batch_ring(SendBatch *batch) {
    if (!batch->was_asked) batch->ring = send_ring_new();
    batch->was_asked = true;
    return batch->ring;
}

/* Returns how many of the requests the ring has made. One that has failed is not used again. */
static unsigned send_batch_pass(SendBatch *batch) {
    SendRing *ring = batch->count > 1 ? send_batch_ring(batch) : NULL;
    if (ring == NULL) return 0;
    unsigned made = send_ring_run(ring, batch->requests, batch->count);
    if (made < batch->count) send_batch_free(batch);
    return made;
}

void send_batch_run(SendBatch *batch) {
    unsigned made = send_batch_pass(batch);
    for (unsigned i = 0; i < batch->count; i++)
        if (i >= made || batch->requests[i].result == UV_EINTR)
            send_batch_send(&batch->requests[i]);
    batch->count = 0;
}

void send_batch_free(SendBatch *batch) {
    if (batch->ring != NULL) send_ring_free(batch->ring);
    batch->ring = NULL;
}
