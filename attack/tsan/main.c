/*
** make test-tsan: threads that each load arsenal into a Lua state of their own,
** use it, and close the state, again and again, while signals come. Built with
** the thread sanitizer, like the modules.
**
**   tsan THREADS ROUNDS CERTIFICATE
*/
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_THREADS = 64, SIGNAL_PAUSE = 5000 /* microseconds */ };

static pthread_barrier_t start;
static int rounds;
static const char *certificate;
static atomic_int working, failures;

static void tsan_run_script(lua_State *L, int round) {
    luaL_openlibs(L);
    int status = luaL_loadfile(L, "attack/tsan/script.lua");
    lua_pushinteger(L, round);
    lua_pushstring(L, certificate);
    if (status == LUA_OK) status = lua_pcall(L, 2, 0, 0);
    if (status == LUA_OK) return;
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    atomic_fetch_add(&failures, 1);
}

static void *tsan_work(void *argument) {
    (void)argument;
    pthread_barrier_wait(&start);
    for (int round = 1; round <= rounds; round++) {
        lua_State *L = luaL_newstate();
        if (L == NULL) abort();
        tsan_run_script(L, round);
        lua_close(L);
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

/* Without this, a signal that no loop handles at the moment would end the process. */
static void tsan_ignore(int number) {
    (void)number;
}

/* A loop that has got a SIGINT lets the next one end the process, until it ends. */
static void tsan_send(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_DFL) return;
    kill(getpid(), number);
}

/* The main thread has no state: the signals come to whichever thread the system chooses. */
static void tsan_send_signals(void) {
    for (bool is_interrupt = true; atomic_load(&working) > 0; is_interrupt = !is_interrupt) {
        usleep(SIGNAL_PAUSE);
        tsan_send(is_interrupt ? SIGINT : SIGUSR1);
    }
}

int main(int argc, char **argv) {
    pthread_t threads[MOST_THREADS];
    int count = argc > 3 ? atoi(argv[1]) : 0;
    if (count < 1 || count > MOST_THREADS) return 2;
    rounds = atoi(argv[2]);
    certificate = argv[3];
    signal(SIGINT, tsan_ignore);
    signal(SIGUSR1, tsan_ignore);
    working = count;
    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, tsan_work, NULL) != 0) abort();
    tsan_send_signals();
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("test-tsan: %d states, %d failures\n", count * rounds, failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
