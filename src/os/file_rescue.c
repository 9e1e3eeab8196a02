/*
** Owns the threads of the rescues, and their number.
*/
#include "os/file_rescue.h"

#include "base/monitor.h"
#include "system/detach_thread.h"
#include "system/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static const uint64_t LONGEST = UINT64_C(1000000000); /* nanoseconds */

typedef struct Rescue {
    int fd;
    Buffer output;
    size_t back;
} Rescue;

static uv_once_t once = UV_ONCE_INIT;
static Monitor monitor;
static unsigned rescues; /* those that have not ended; guarded by the monitor */

static void file_rescue_set_up(void) {
    monitor_init(&monitor);
}

static void file_rescue_write(Rescue *rescue) {
    if (rescue->back > 0) file_seek(rescue->fd, -(int64_t)rescue->back, SEEK_CUR);
    file_write(rescue->fd, buffer_data(&rescue->output), buffer_length(&rescue->output));
    file_close(rescue->fd);
    buffer_free(&rescue->output);
}

static void file_rescue_run(void *argument) {
    file_rescue_write(argument);
    free(argument);
    monitor_lock(&monitor);
    rescues--;
    monitor_notify(&monitor);
    monitor_unlock(&monitor);
}

static int file_rescue_start(Rescue *rescue) {
    uv_thread_t thread;
    uv_once(&once, file_rescue_set_up);
    monitor_lock(&monitor);
    int status = uv_thread_create(&thread, file_rescue_run, rescue);
    if (status == 0) {
        rescues++;
        detach_thread(thread);
    }
    monitor_unlock(&monitor);
    return status;
}

/* Without memory or a thread it is done at once. */
void file_rescue(int fd, Buffer *output, size_t back) {
    Rescue now = {fd, *output, back};
    Rescue *later = buffer_length(output) > 0 ? malloc(sizeof *later) : NULL;
    *output = (Buffer){0};
    if (later != NULL) {
        *later = now;
        if (file_rescue_start(later) == 0) return;
        free(later);
    }
    file_rescue_write(&now);
}

void file_rescue_wait(void) {
    uint64_t deadline = uv_hrtime() + LONGEST;
    uv_once(&once, file_rescue_set_up);
    monitor_lock(&monitor);
    while (rescues > 0 && monitor_wait(&monitor, deadline))
        ;
    monitor_unlock(&monitor);
}
