/*
** Owns the threads of the rescues, and their number.
*/
#include "os/file_rescue.h"

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
static uv_mutex_t lock;
static uv_cond_t one_ended;
static unsigned rescues; /* that have not ended */

static void file_rescue_set_up(void) {
    uv_mutex_init(&lock);
    uv_cond_init(&one_ended);
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
    uv_mutex_lock(&lock);
    rescues--;
    uv_cond_broadcast(&one_ended);
    uv_mutex_unlock(&lock);
}

static int file_rescue_start(Rescue *rescue) {
    uv_thread_t thread;
    uv_once(&once, file_rescue_set_up);
    uv_mutex_lock(&lock);
    int status = uv_thread_create(&thread, file_rescue_run, rescue);
    if (status == 0) rescues++;
#ifdef _WIN32
    if (status == 0) CloseHandle(thread);
#else
    if (status == 0) pthread_detach(thread);
#endif
    uv_mutex_unlock(&lock);
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
    uv_mutex_lock(&lock);
    for (uint64_t now = uv_hrtime(); rescues > 0 && now < deadline; now = uv_hrtime())
        uv_cond_timedwait(&one_ended, &lock, deadline - now);
    uv_mutex_unlock(&lock);
}
