#include "server.h"

#include "clock.h"
#include "fail.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t server_cpu(pid_t pid) {
    clockid_t clock;
    uint64_t nanoseconds;
    if (clock_getcpuclockid(pid, &clock) != 0 || !clock_read(clock, &nanoseconds))
        fail("the server has ended");
    return nanoseconds;
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
