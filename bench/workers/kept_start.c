/*
** The same as bare_start, by one thread that is kept, for a program that waits in epoll,
** as an event loop does. A condition variable wakes the thread, and an eventfd reports
** the end. kept_start COUNT prints the CPU time of it in seconds.
*/
#include "../cpu_time.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t starting = PTHREAD_COND_INITIALIZER;
static bool is_started; /* guarded by the lock */
static int ended;       /* the eventfd */

static void wait_for_start(void) {
    pthread_mutex_lock(&lock);
    while (!is_started)
        pthread_cond_wait(&starting, &lock);
    is_started = false;
    pthread_mutex_unlock(&lock);
}

static void *live_again_and_again(void *unused) {
    const uint64_t one = 1;
    for (;;) {
        wait_for_start();
        lua_State *L = luaL_newstate();
        if (L == NULL) abort();
        luaL_openlibs(L);
        lua_close(L);
        if (write(ended, &one, sizeof one) != sizeof one) abort();
    }
    return unused;
}

static void start_and_join(int poller) {
    struct epoll_event event;
    pthread_mutex_lock(&lock);
    is_started = true;
    pthread_cond_signal(&starting);
    pthread_mutex_unlock(&lock);
    if (epoll_wait(poller, &event, 1, -1) != 1) abort();
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1000;
    int poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    pthread_t thread;
    ended = eventfd(0, EFD_NONBLOCK);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, ended, &event) != 0) abort();
    if (pthread_create(&thread, NULL, live_again_and_again, NULL) != 0) abort();
    for (int i = 0; i < 50; i++)
        start_and_join(poller);
    double cpu = cpu_time(RUSAGE_SELF);
    for (long i = 0; i < count; i++)
        start_and_join(poller);
    printf("%.6f\n", cpu_time(RUSAGE_SELF) - cpu);
    return 0;
}
