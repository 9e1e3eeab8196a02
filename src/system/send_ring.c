/*
** Owns the ring: how it is set up, tested and used, by system calls alone. The
** kernel shares two queues with the process, of entries (SQ) and of completions
** (CQ). Each is an array whose index is a count, modulo its size.
*/
#include "base/platform.h"

#include "system/send_ring.h"

#if defined(__linux__) && __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#include <sys/syscall.h>
#endif

/* Headers of Linux 5.7, whose kernel sends at once, and a C library that knows the calls. */
#if defined(IORING_FEAT_FAST_POLL) && defined(SYS_io_uring_setup)

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

struct SendRing {
    int fd;
    unsigned sq_tail, cq_head; /* copies of the counts that only this process changes */
    unsigned sq_mask, cq_mask;
    unsigned *kernel_sq_tail, *kernel_cq_head, *kernel_cq_tail;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *completions;
    void *queues; /* the memory of both queues, without the entries */
    size_t queues_size, entries_size;
};

/*
** Since Linux 6.1 a ring for one thread costs less. If its loop goes on in another
** thread the kernel refuses, and the ring has failed.
*/
#ifdef IORING_SETUP_DEFER_TASKRUN
enum { RING_FLAGS = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
#else
enum { RING_FLAGS = 0 };
#endif

static int ring_setup(struct io_uring_params *params, unsigned flags) {
    *params = (struct io_uring_params){.flags = flags};
    return (int)syscall(SYS_io_uring_setup, SEND_BATCH_MOST, params);
}

static int ring_enter(const SendRing *ring, unsigned submitted, unsigned awaited) {
    unsigned flags = awaited > 0 ? IORING_ENTER_GETEVENTS : 0;
    return (int)syscall(SYS_io_uring_enter, ring->fd, submitted, awaited, flags, NULL, 0);
}

/* --- whether to ask --- */

/*
** A filter may end the process at a call that it does not know; so would prctl, where it is
** refused. Without /proc there might be a filter.
*/
static bool ring_is_filtered(void) {
    static const char label[] = "Seccomp:\t";
    const size_t length = sizeof label - 1;
    char line[256];
    bool is_filtered = false;
    FILE *file = fopen("/proc/thread-self/status", "re");
    if (file == NULL) return true;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, label, length) == 0) is_filtered = line[length] != '0';
    fclose(file);
    return is_filtered;
}

static bool ring_may_ask(void) {
    const char *wish = getenv("ARSENAL_IO_URING");
    if (wish != NULL && strcmp(wish, "0") == 0) return false;
    return (wish != NULL && strcmp(wish, "1") == 0) || !ring_is_filtered();
}

/* --- setting up --- */

/* Memory that a forked child does not get: it must not use the parent's ring. */
static void *ring_map(int fd, size_t size, off_t offset) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
    if (memory == MAP_FAILED) return NULL;
    madvise(memory, size, MADV_DONTFORK);
    return memory;
}

/* The kernel goes through the entries in the order that `order` gives: always that of their places. */
static void ring_find_queues(SendRing *ring, const struct io_uring_params *params) {
    char *queues = ring->queues;
    unsigned *order = (unsigned *)(queues + params->sq_off.array);
    for (unsigned i = 0; i < params->sq_entries; i++)
        order[i] = i;
    ring->sq_mask = params->sq_entries - 1;
    ring->cq_mask = params->cq_entries - 1;
    ring->kernel_sq_tail = (unsigned *)(queues + params->sq_off.tail);
    ring->kernel_cq_head = (unsigned *)(queues + params->cq_off.head);
    ring->kernel_cq_tail = (unsigned *)(queues + params->cq_off.tail);
    ring->completions = (struct io_uring_cqe *)(queues + params->cq_off.cqes);
}

static size_t ring_queues_size(const struct io_uring_params *params) {
    size_t sq = params->sq_off.array + params->sq_entries * sizeof(unsigned);
    size_t cq = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    return sq > cq ? sq : cq;
}

/* Kernels that have no single mapping for both queues are too old for the rest. */
static bool ring_open(SendRing *ring) {
    struct io_uring_params params;
    ring->fd = ring_setup(&params, RING_FLAGS);
    if (ring->fd < 0) ring->fd = ring_setup(&params, 0);
    if (ring->fd < 0) return false;
    if (!(params.features & IORING_FEAT_SINGLE_MMAP)) return false;
    ring->queues_size = ring_queues_size(&params);
    ring->entries_size = params.sq_entries * sizeof *ring->entries;
    ring->queues = ring_map(ring->fd, ring->queues_size, IORING_OFF_SQ_RING);
    ring->entries = ring_map(ring->fd, ring->entries_size, IORING_OFF_SQES);
    if (ring->queues == NULL || ring->entries == NULL) return false;
    ring_find_queues(ring, &params);
    return true;
}

void send_ring_free(SendRing *ring) {
    if (ring->queues != NULL) munmap(ring->queues, ring->queues_size);
    if (ring->entries != NULL) munmap(ring->entries, ring->entries_size);
    if (ring->fd >= 0) close(ring->fd);
    free(ring);
}

/* --- using it --- */

static void ring_put(SendRing *ring, uint8_t operation, const SendRequest *request, uint64_t tag) {
    struct io_uring_sqe *entry = &ring->entries[ring->sq_tail++ & ring->sq_mask];
    memset(entry, 0, sizeof *entry);
    entry->opcode = operation;
    entry->fd = request->fd;
    entry->addr = (uintptr_t)request->data;
    entry->len = (uint32_t)request->size;
    entry->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    entry->user_data = tag;
}

/* Takes the completions that are there. Returns their number. */
static unsigned ring_reap(SendRing *ring, SendRequest *requests) {
    unsigned tail = __atomic_load_n(ring->kernel_cq_tail, __ATOMIC_ACQUIRE);
    unsigned count = tail - ring->cq_head;
    for (; ring->cq_head != tail; ring->cq_head++) {
        const struct io_uring_cqe *done = &ring->completions[ring->cq_head & ring->cq_mask];
        requests[done->user_data].result = done->res;
    }
    __atomic_store_n(ring->kernel_cq_head, tail, __ATOMIC_RELEASE);
    return count;
}

/* The kernel stops at an entry that it cannot even begin, and is called again for the others. */
static unsigned ring_submit(const SendRing *ring, unsigned count) {
    unsigned submitted = 0;
    __atomic_store_n(ring->kernel_sq_tail, ring->sq_tail, __ATOMIC_RELEASE);
    while (submitted < count) {
        int taken;
        RETRY_ON_EINTR(taken = ring_enter(ring, count - submitted, 0));
        if (taken <= 0) break;
        submitted += (unsigned)taken;
    }
    return submitted;
}

/*
** Waits for so many sends that the kernel has put off, against their flags. If that
** fails the kernel has the bytes for ever, and their owner is about to free them.
*/
static void ring_await(SendRing *ring, SendRequest *requests, unsigned missing) {
    while (missing > 0) {
        int status;
        RETRY_ON_EINTR(status = ring_enter(ring, 0, missing));
        if (status < 0) abort();
        missing -= ring_reap(ring, requests);
    }
}

unsigned send_ring_run(SendRing *ring, SendRequest *requests, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        ring_put(ring, IORING_OP_SEND, &requests[i], i);
    unsigned submitted = ring_submit(ring, count);
    ring_await(ring, requests, submitted - ring_reap(ring, requests));
    return submitted;
}

/* --- testing it --- */

/* Whether a call that would block answers so at once. */
static bool ring_answers_at_once(SendRing *ring) {
    int pair[2];
    char byte;
    SendRequest request = {.data = &byte, .size = 1, .result = 0};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    request.fd = pair[0];
    ring_put(ring, IORING_OP_RECV, &request, 0);
    bool is_done = ring_submit(ring, 1) == 1 && ring_reap(ring, &request) == 1;
    close(pair[0]);
    close(pair[1]);
    return is_done && request.result == UV_EAGAIN;
}

SendRing *send_ring_new(void) {
    SendRing *ring = ring_may_ask() ? calloc(1, sizeof *ring) : NULL;
    if (ring == NULL) return NULL;
    if (ring_open(ring) && ring_answers_at_once(ring)) return ring;
    send_ring_free(ring);
    return NULL;
}

#else

SendRing *send_ring_new(void) {
    return NULL;
}

unsigned send_ring_run(SendRing *ring, SendRequest *requests, unsigned count) {
    (void)ring, (void)requests, (void)count;
    return 0;
}

void send_ring_free(SendRing *ring) {
    (void)ring;
}

#endif
