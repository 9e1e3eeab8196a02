/* What the programs in C have in common that measure themselves. */
#ifndef ARSENAL_BENCH_CPU_TIME_H
#define ARSENAL_BENCH_CPU_TIME_H

#include <sys/resource.h>

/* Of RUSAGE_SELF, the process so far, or of RUSAGE_CHILDREN, in seconds. */
static double cpu_time(int whose) {
    struct rusage usage;
    getrusage(whose, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

#endif
