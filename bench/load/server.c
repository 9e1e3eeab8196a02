/* What can be known of a server from outside: the kernel's exact account of the CPU time of all
** its threads, and its private memory. */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static uint64_t clock_read(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) fail("the server has ended");
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now(void) {
    return clock_read(CLOCK_MONOTONIC);
}

uint64_t server_cpu(pid_t pid) {
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0) fail("the server has ended");
    return clock_read(clock);
}

uint64_t server_memory(pid_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "r");
    uint64_t kibibytes = 0;
    if (file == NULL) fail("%s can't be read", path);
    while (fgets(line, sizeof line, file))
        sscanf(line, "Private_Dirty: %" SCNu64, &kibibytes);
    fclose(file);
    return kibibytes * 1024;
}
