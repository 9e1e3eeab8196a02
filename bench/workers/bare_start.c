/*
** What a worker cannot do without, so many times: a thread, and a Lua state with Lua's
** libraries in it. bare_start COUNT prints the CPU time of it in seconds.
*/
#include "../cpu_time.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *live(void *unused) {
    lua_State *L = luaL_newstate();
    if (L == NULL) abort();
    luaL_openlibs(L);
    lua_close(L);
    return unused;
}

static void start_and_join(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, live, NULL) != 0) abort();
    pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1000;
    for (int i = 0; i < 50; i++)
        start_and_join();
    double cpu = cpu_time(RUSAGE_SELF);
    for (long i = 0; i < count; i++)
        start_and_join();
    printf("%.6f\n", cpu_time(RUSAGE_SELF) - cpu);
    return 0;
}
