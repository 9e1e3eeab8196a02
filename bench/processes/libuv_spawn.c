/*
** Starts and reaps `true` so many times, one after the other, in plain C on libuv:
** libuv_spawn COUNT. Prints the CPU time of this process and of the children, in
** seconds.
*/
#include "../cpu_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static long left;
static char *arguments[] = {"true", NULL};

static void start(void);

static void closed(uv_handle_t *handle) {
    free(handle);
    if (--left > 0) start();
}

static void exited(uv_process_t *process, int64_t status, int signal) {
    if (status != 0 || signal != 0) abort();
    uv_close((uv_handle_t *)process, closed);
}

static void start(void) {
    uv_process_t *process = malloc(sizeof *process);
    uv_stdio_container_t nothing[3] = {{.flags = UV_IGNORE},
                                       {.flags = UV_IGNORE},
                                       {.flags = UV_IGNORE}};
    uv_process_options_t options = {.file = "true",
                                    .args = arguments,
                                    .exit_cb = exited,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio = nothing,
                                    .stdio_count = 3};
    if (process == NULL || uv_spawn(uv_default_loop(), process, &options) != 0) abort();
}

int main(int argc, char **argv) {
    left = argc > 1 ? atol(argv[1]) : 1000;
    start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    printf("%.6f\n", cpu_time(RUSAGE_SELF) + cpu_time(RUSAGE_CHILDREN));
    return 0;
}
