/*
** Sends so many items of 64 bytes from one thread to another, in plain C on libuv:
** libuv_items COUNT. Each thread has a loop. Between them is a queue behind a mutex, of
** as many items as arsenal's channel in items.lua; uv_async_send reports to the other
** loop that an item has come, or that there is room again. Prints the CPU time of both
** threads, and the time, in seconds.
*/
#include "../cpu_time.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { CAPACITY = 64, SIZE = 64 };

struct item {
    struct item *next;
    char data[SIZE];
};

static uv_mutex_t lock; /* guards what follows */
static struct item *first, **end = &first;
static unsigned queued;
static int sender_waits;

static uv_async_t item_came, room_came;
static long count, sent, received;

/* --- the sender --- */

/* Returns false if the queue is full: room_came follows. */
static int send_item(const char *data) {
    struct item *item = malloc(sizeof *item);
    if (item == NULL) abort();
    memcpy(item->data, data, SIZE);
    item->next = NULL;
    uv_mutex_lock(&lock);
    int has_room = queued < CAPACITY;
    if (has_room) {
        *end = item;
        end = &item->next;
        queued++;
    } else {
        sender_waits = 1;
    }
    uv_mutex_unlock(&lock);
    if (has_room)
        uv_async_send(&item_came);
    else
        free(item);
    return has_room;
}

static void send_items(uv_async_t *handle) {
    char data[SIZE] = {1};
    while (sent < count && send_item(data))
        sent++;
    if (sent == count) uv_close((uv_handle_t *)handle, NULL);
}

/* --- the receiver --- */

static struct item *take_all(void) {
    uv_mutex_lock(&lock);
    struct item *items = first;
    int wakes = sender_waits;
    first = NULL;
    end = &first;
    queued = 0;
    sender_waits = 0;
    uv_mutex_unlock(&lock);
    if (wakes) uv_async_send(&room_came);
    return items;
}

static void receive_items(uv_async_t *handle) {
    for (struct item *item = take_all(), *next; item != NULL; item = next) {
        next = item->next;
        received += item->data[0];
        free(item);
    }
    if (received == count) uv_close((uv_handle_t *)handle, NULL);
}

/* --- both --- */

static void run_sender(void *loop) {
    uv_async_send(&room_came);
    uv_run(loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv) {
    uv_loop_t senders;
    uv_thread_t sender;
    count = argc > 1 ? atol(argv[1]) : 100000;
    if (uv_mutex_init(&lock) != 0 || uv_loop_init(&senders) != 0) return 1;
    if (uv_async_init(&senders, &room_came, send_items) != 0) return 1;
    if (uv_async_init(uv_default_loop(), &item_came, receive_items) != 0) return 1;
    double cpu = cpu_time(RUSAGE_SELF);
    uint64_t started = uv_hrtime();
    if (uv_thread_create(&sender, run_sender, &senders) != 0) return 1;
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_thread_join(&sender);
    printf("%.6f %.6f\n", cpu_time(RUSAGE_SELF) - cpu, (double)(uv_hrtime() - started) / 1e9);
    return 0;
}
