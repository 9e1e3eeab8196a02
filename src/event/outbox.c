/*
** Owns the letters, and when they are sent.
*/
#include "event/outbox.h"

#include "base/error.h"
#include "kernel/clock.h"
#include "kernel/coroutine.h"
#include "system/socket.h"

#include <stdlib.h>

enum {
    OUTBOX_LETTERS = 64,
    OUTBOX_BYTES = 64 * 1024, /* in all letters, when they are sent */
    OUTBOX_PACE = 20 * 1000,  /* nanoseconds that a task may run while letters wait, on average */
    OUTBOX_REST = 64,         /* messages that are sent at once after tasks have taken longer */
};

typedef struct Letter {
    Task *task;
    LetterSent *sent;
    int fd;
    const char *data;
    size_t size;
} Letter;

typedef struct Outbox {
    LoopPart part;
    Loop *loop;
    size_t bytes;   /* in all letters */
    uint64_t since; /* when the first letter came */
    unsigned tasks; /* that have run since then */
    unsigned rest;  /* messages that are to be sent at once */
    unsigned count;
    Letter letters[OUTBOX_LETTERS];
} Outbox;

static const char outbox_key;

static void outbox_close(LoopPart *part, Loop *loop) {
    Outbox *outbox = container_of(part, Outbox, part);
    (void)loop;
    free(outbox);
}

bool outbox_takes(Loop *loop) {
    Outbox *outbox = loop_part(loop, &outbox_key);
    if (outbox == NULL) return loop->ready > 0;
    if (outbox->rest > 0) {
        outbox->rest--;
        return false;
    }
    return loop->ready > 0 || outbox->count > 0;
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
    Outbox *outbox = loop_need_part(loop, &outbox_key, sizeof *outbox, outbox_close);
    if (outbox == NULL) return false;
    outbox->loop = loop;
    if (outbox->count == OUTBOX_LETTERS || outbox->bytes + size > OUTBOX_BYTES) outbox_flush(loop);
    if (outbox->count == 0) outbox_begin(outbox);
    outbox->letters[outbox->count++] =
        (Letter){.task = task, .sent = sent, .fd = fd, .data = data, .size = size};
    outbox->bytes += size;
    return true;
}

static void outbox_remove(Outbox *outbox, unsigned index) {
    outbox->bytes -= outbox->letters[index].size;
    outbox->count--;
    for (unsigned i = index; i < outbox->count; i++)
        outbox->letters[i] = outbox->letters[i + 1];
    if (outbox->count == 0) outbox->loop->external_waiters--;
}

void outbox_take_back(const Task *task) {
    Outbox *outbox = loop_part(task->loop, &outbox_key);
    unsigned index = 0;
    if (outbox == NULL) return;
    while (index < outbox->count && outbox->letters[index].task != task)
        index++;
    if (index < outbox->count) outbox_remove(outbox, index);
}

/* --- sending them --- */

/* If user code has closed the coroutine of a letter's task, the bytes may be gone: the task is woken to end. */
static void outbox_remove_lost(Outbox *outbox) {
    for (unsigned i = outbox->count; i-- > 0;) {
        Task *task = outbox->letters[i].task;
        if (coroutine_task_is_whole(task)) continue;
        outbox_remove(outbox, i);
        waiter_wake(&task->waiter, ARSENAL_CLOSED);
    }
}

static void outbox_send(const Letter *letter) {
    uv_buf_t part = {.base = (char *)letter->data, .len = letter->size};
    letter->sent(letter->task, letter->size, socket_write(letter->fd, &part, 1));
}

bool outbox_flush(Loop *loop) {
    Outbox *outbox = loop->closed ? NULL : loop_part(loop, &outbox_key);
    if (outbox == NULL || outbox->count == 0) return false;
    outbox_remove_lost(outbox);
    unsigned count = outbox->count;
    if (count == 0) return true;
    outbox->count = 0;
    loop->external_waiters--;
    for (unsigned i = 0; i < count; i++)
        outbox_send(&outbox->letters[i]);
    return true;
}

void outbox_look(Loop *loop, unsigned tasks) {
    Outbox *outbox = loop_part(loop, &outbox_key);
    if (outbox == NULL || outbox->count == 0) return;
    outbox->tasks += tasks;
    if (clock_now(loop) - outbox->since <= (uint64_t)outbox->tasks * OUTBOX_PACE) return;
    outbox->rest = OUTBOX_REST;
    outbox_flush(loop);
}
