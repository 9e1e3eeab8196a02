/* What a worker cannot do without, so many times: a thread, and a Lua state with Lua's libraries in it. bare_start COUNT
** prints the CPU time of it in seconds. */
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

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

static double cpu_time(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1000;
    for (int i = 0; i < 50; i++)
        start_and_join();
    double cpu = cpu_time();
    for (long i = 0; i < count; i++)
        start_and_join();
    printf("%.6f\n", cpu_time() - cpu);
    return 0;
}
