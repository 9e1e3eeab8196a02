/*
** Owns the libuv handle that other threads and signal handlers wake the loop
** by.
*/
#include "event/inbox.h"

#include "event/thread_pool.h"

#include <stdlib.h>

static void woken(uv_async_t *handle) {
    thread_pool_collect(handle->data);
}

int inbox_init(Loop *loop) {
    if (loop->wakeup != NULL) return 0;
    uv_async_t *handle = malloc(sizeof *handle);
    if (handle == NULL) return UV_ENOMEM;
    int status = uv_async_init(&loop->uv, handle, woken);
    if (status != 0) {
        free(handle);
        return status;
    }
    handle->data = loop;
    loop->wakeup = handle;
    loop->uv_changed = true;
    return 0;
}

void inbox_send(Loop *loop) {
    uv_async_send(loop->wakeup);
}
