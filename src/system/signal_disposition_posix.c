/*
** Owns what the process did at signals before libuv handled them. It is shared by
** all loops, because signals belong to the process.
*/
#include "base/platform.h"

#include "system/signal_disposition.h"

#include <signal.h>
#include <uv.h>

enum { MOST_NUMBERS = 64 };

static struct {
    unsigned users;
    struct sigaction before;
} kept[MOST_NUMBERS + 1];

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;

static void disposition_make_lock(void) {
    uv_mutex_init(&lock);
}

void signal_disposition_keep(int number) {
    uv_once(&once, disposition_make_lock);
    uv_mutex_lock(&lock);
    if (kept[number].users++ == 0) sigaction(number, NULL, &kept[number].before);
    uv_mutex_unlock(&lock);
}

void signal_disposition_restore(int number) {
    uv_mutex_lock(&lock);
    if (--kept[number].users == 0) sigaction(number, &kept[number].before, NULL);
    uv_mutex_unlock(&lock);
}
