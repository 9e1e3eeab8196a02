/*
** Owns the letters, and when they are sent.
*/
#include "event/outbox.h"

#include "base/error.h"
#include "kernel/clock.h"
#include "kernel/coroutine.h"
#include "system/send_batch.h"

#include <stdlib.h>

enum {
    OUTBOX_BYTES = 64 * 1024, /* in all letters, when they are sent */
    OUTBOX_PACE = 20 * 1000,  /* nanoseconds that a task may run while letters wait, on average */
    OUTBOX_REST = 64,         /* messages that are sent at once after tasks have taken longer */
};

typedef struct Outbox {
    LoopPart part;
    Loop *loop;
    size_t bytes;    /* in all letters */
    uint64_t since;  /* when the first letter came */
    unsigned tasks;  /* that have run since then */
    unsigned rest;   /* messages that are to be sent at once */
    SendBatch batch; /* its requests are those of the letters at the same indices */
    struct {
        Task *task;
        LetterSent *sent;
    } letters[SEND_BATCH_MOST];
} Outbox;

static const char outbox_key;

static void outbox_close(LoopPart *part, Loop *loop) {
    Outbox *outbox = container_of(part, Outbox, part);
    (void)loop;
    send_batch_free(&outbox->batch);
    free(outbox);
}

/*
** Returns the outbox if messages are to go through it, and NULL if they are not or if there
** is no memory for it.
*/
static Outbox *outbox_for_letter(Loop *loop) {
    Outbox *outbox = loop_part(loop, &outbox_key);
    if (outbox == NULL) {
        if (loop->ready == 0) return NULL;
        outbox = loop_need_part(loop, &outbox_key, sizeof *outbox, outbox_close);
        if (outbox != NULL) outbox->loop = loop;
        return outbox;
    }
    if (outbox->rest > 0) {
        outbox->rest--;
        return NULL;
    }
    return loop->ready > 0 || outbox->batch.count > 0 ? outbox : NULL;
}

/* --- letters --- */

/* While there are any, the loop is not stuck. */
static void outbox_begin(Outbox *outbox) {
    outbox->since = clock_now(outbox->loop);
    outbox->tasks = 0;
    outbox->bytes = 0;
    outbox->loop->external_waiters++;
}

bool outbox_post(Task *task, int fd, const char *data, size_t size, LetterSent *sent) {
    Loop *loop = task->loop;
    Outbox *outbox = outbox_for_letter(loop);
    if (outbox == NULL) return false;
    SendBatch *batch = &outbox->batch;
    if (batch->count == SEND_BATCH_MOST || outbox->bytes + size > OUTBOX_BYTES) outbox_flush(loop);
    if (batch->count == 0) outbox_begin(outbox);
    outbox->letters[batch->count].task = task;
    outbox->letters[batch->count].sent = sent;
    batch->requests[batch->count++] = (SendRequest){.fd = fd, .data = data, .size = size};
    outbox->bytes += size;
    return true;
}

static void outbox_remove(Outbox *outbox, unsigned index) {
    SendBatch *batch = &outbox->batch;
    outbox->bytes -= batch->requests[index].size;
    batch->count--;
    for (unsigned i = index; i < batch->count; i++) {
        batch->requests[i] = batch->requests[i + 1];
        outbox->letters[i] = outbox->letters[i + 1];
    }
    if (batch->count == 0) outbox->loop->external_waiters--;
}

void outbox_take_back(const Task *task) {
    Outbox *outbox = loop_part(task->loop, &outbox_key);
    unsigned index = 0;
    if (outbox == NULL) return;
    while (index < outbox->batch.count && outbox->letters[index].task != task)
        index++;
    if (index < outbox->batch.count) outbox_remove(outbox, index);
}

/* --- sending them --- */

/* If user code has closed the coroutine of a letter's task, the bytes may be gone: the task is woken to end. */
static void outbox_remove_lost(Outbox *outbox) {
    for (unsigned i = outbox->batch.count; i-- > 0;) {
        Task *task = outbox->letters[i].task;
        if (coroutine_task_is_whole(task)) continue;
        outbox_remove(outbox, i);
        waiter_wake(&task->waiter, ARSENAL_CLOSED);
    }
}

bool outbox_flush(Loop *loop) {
    Outbox *outbox = loop->closed ? NULL : loop_part(loop, &outbox_key);
    if (outbox == NULL || outbox->batch.count == 0) return false;
    outbox_remove_lost(outbox);
    unsigned count = outbox->batch.count;
    if (count == 0) return true;
    loop->external_waiters--;
    send_batch_run(&outbox->batch);
    for (unsigned i = 0; i < count; i++) {
        const SendRequest *request = &outbox->batch.requests[i];
        outbox->letters[i].sent(outbox->letters[i].task, request->size, request->result);
    }
    return true;
}

void outbox_look(Loop *loop, unsigned tasks) {
    Outbox *outbox = loop_part(loop, &outbox_key);
    if (outbox == NULL || outbox->batch.count == 0) return;
    outbox->tasks += tasks;
    if (clock_now(loop) - outbox->since <= (uint64_t)outbox->tasks * OUTBOX_PACE) return;
    outbox->rest = OUTBOX_REST;
    outbox_flush(loop);
}
