/* A server under load, and what the kernel knows of it: the CPU time of all its threads, and its
** private memory. */
#ifndef server_h
#define server_h

#include <stdint.h>
#include <sys/types.h>

struct server {
    int port;
    pid_t pid;
};

uint64_t server_cpu(pid_t pid);    /* nanoseconds of all its threads */
uint64_t server_memory(pid_t pid); /* private dirty bytes */

#endif
