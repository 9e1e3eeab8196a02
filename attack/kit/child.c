/*
** Owns the children of the sweep: what one does, and what is looked at when it
** has ended.
*/
#define _GNU_SOURCE
#include "kit/child.h"

#include "kit/blocks.h"
#include "kit/descriptors.h"
#include "kit/memory.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum {
    SESSION = 1,
    LIMIT = 60, /* seconds for a child, which takes some milliseconds */
    /* Seconds until a script is taken to wait in vain: longer than a busy disk takes to write a file;
       session.lua's limit is longer. */
    STALL = 8
};

typedef struct Shared {
    Verdict verdict;
    const char *phase;
    bool has_stalled;
    bool has_ended;
} Shared;

static Shared *shared;
static lua_State *state;
static int output_file;

/* --- what scripts get from C: the global `attack` --- */

/* Without memory for a handler there is none, and the signal would end the process. */
static int child_raise_signal(lua_State *L) {
    int number = (int)luaL_checkinteger(L, 1);
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_DFL)
        return luaL_error(L, "signal %d has no handler", number);
    raise(number);
    return 0;
}

static void child_set_global(lua_State *L) {
    lua_newtable(L);
    lua_pushcfunction(L, child_raise_signal);
    lua_setfield(L, -2, "raise");
    lua_pushstring(L, getenv("ATTACK_CERTIFICATE"));
    lua_setfield(L, -2, "certificate");
    lua_pushstring(L, getenv("ATTACK_FILES"));
    lua_setfield(L, -2, "files");
    lua_setglobal(L, "attack");
}

/* --- in the parent --- */

static void child_preload(lua_State *L) {
    if (luaL_dofile(L, "attack/kit/session.lua") != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(2);
    }
    lua_getfield(L, SESSION, "preload");
    lua_call(L, 0, 2);
    blocks_attack_object(lua_tostring(L, -2));
    blocks_attack_object(lua_tostring(L, -1));
    lua_settop(L, SESSION);
}

/* libuv opens a pipe for signals with its first loop, for good. */
static void child_open_pipe_of_libuv(void) {
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) abort();
    uv_loop_close(&loop);
}

void child_prepare(void) {
    signal(SIGINT, SIG_DFL); /* a shell that starts this in the background has it ignored */
    child_open_pipe_of_libuv();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    output_file = memfd_create("output", MFD_CLOEXEC);
    if (shared == MAP_FAILED || output_file < 0) abort();
    state = memory_new_state();
    child_set_global(state);
    child_preload(state);
}

lua_State *child_state(void) {
    return state;
}

/* --- in the child --- */

static void child_fail(const char *format, const char *what) {
    if (!shared->verdict.is_good) return;
    shared->verdict.is_good = false;
    snprintf(shared->verdict.text, sizeof shared->verdict.text, format, what);
}

/* [-1, +0] keeps the error on top. */
static void child_keep_error(lua_State *L) {
    const char *text = luaL_tolstring(L, -1, NULL);
    snprintf(shared->verdict.error, sizeof shared->verdict.error, "%s", text);
    lua_pop(L, 2);
}

/* [+2] the function that runs the script, and whether the fault is for the end of the state */
static void child_begin(lua_State *L, const char *script) {
    lua_getfield(L, SESSION, "begin");
    lua_pushstring(L, script);
    lua_call(L, 1, 2);
}

static time_t child_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void child_run_script(lua_State *L, const Fault *fault, long n) {
    bool at_close = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (!at_close) fault->arm(L, n, fault->width);
    time_t began = child_now();
    int status = lua_pcall(L, 0, 0, 0);
    if (at_close)
        fault->arm(L, n, fault->width);
    else
        shared->verdict.passed = fault->disarm(L);
    shared->has_stalled = child_now() - began > STALL;
    if (status != LUA_OK) child_keep_error(L);
    if (at_close) return;
    shared->phase = "the check of what is left";
    lua_getfield(L, SESSION, "find_fault");
    if (lua_pcall(L, 0, 1, 0) != LUA_OK || !lua_isnil(L, -1))
        child_fail("%s", luaL_tolstring(L, -1, NULL));
    lua_settop(L, SESSION);
}

/* Threads of lookups may have descriptors and memory longer: until a busy machine runs them. */
static void child_check_end(void) {
    enum { TRIES = 1000, PAUSE = 10 * 1000 };
    char text[500];
    for (int i = 0; i < TRIES; i++) {
        if (descriptors_find_new(text, sizeof text) == 0 && blocks_left(text, sizeof text) == 0)
            break;
        usleep(PAUSE);
    }
    if (descriptors_find_new(text, sizeof text) > 0) child_fail("descriptors left open:%s", text);
    if (blocks_left(text, sizeof text) > 0) child_fail("memory left:%s", text);
    /* The block of a long luaL_Buffer is freed by a finalizer. */
    if (memory_in_use() > 0 && !memory_has_lost_finalizer())
        child_fail("%s", "memory of Lua is left");
}

__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

static void child_check_leaks(void) {
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0)
        child_fail("%s", "leaks, see the output");
}

static void child_main(lua_State *L, const char *script, const Fault *fault, long n) {
    alarm(LIMIT);
    dup2(output_file, STDERR_FILENO);
    descriptors_remember();
    blocks_begin();
    shared->phase = "the loading";
    child_begin(L, script);
    shared->phase = "the script";
    child_run_script(L, fault, n);
    shared->phase = "lua_close";
    lua_close(L);
    long passed = fault->disarm(NULL);
    if (shared->verdict.passed == 0) shared->verdict.passed = passed;
    shared->phase = "the end";
    child_check_end();
    child_check_leaks();
    shared->has_ended = true;
    _exit(0);
}

/* --- the run --- */

static void child_read_output(void) {
    Verdict *verdict = &shared->verdict;
    ssize_t size = pread(output_file, verdict->output, sizeof verdict->output - 1, 0);
    verdict->output[size < 0 ? 0 : size] = '\0';
    if (strstr(verdict->output, "Sanitizer") != NULL ||
        strstr(verdict->output, "runtime error") != NULL)
        child_fail("%s", "a sanitizer's report");
}

/*
** session.lua's on_error ends a script whose task failed. If the fault hits on_error, too,
** others may wait for what that task would have done, until the script's limit.
*/
static void child_judge_stall(void) {
    static const char *const reports[] = {"error in on_error", "no memory to report the error"};
    if (!shared->has_stalled) return;
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
        if (strstr(shared->verdict.output, reports[i]) != NULL) return;
    child_fail("%s", "stalled: it waited for what did not come");
}

static void child_judge(int status) {
    char text[200];
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(text, sizeof text, "hangs in %s", shared->phase);
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "signal %d in %s", WTERMSIG(status), shared->phase);
    else if (!shared->has_ended)
        snprintf(text, sizeof text, "exit %d in %s", WEXITSTATUS(status), shared->phase);
    else
        return;
    child_fail("%s", text);
}

const Verdict *child_run(const char *script, const Fault *fault, long n) {
    int status = 0;
    memset(shared, 0, sizeof *shared);
    shared->verdict.is_good = true;
    if (ftruncate(output_file, 0) != 0) abort();
    lseek(output_file, 0, SEEK_SET);
    pid_t child = fork();
    if (child == 0) child_main(state, script, fault, n);
    if (child < 0 || waitpid(child, &status, 0) != child) abort();
    child_judge(status);
    if (n == 0 && shared->verdict.error[0] != '\0')
        child_fail("without a fault: %s", shared->verdict.error);
    child_read_output();
    child_judge_stall();
    return &shared->verdict;
}
