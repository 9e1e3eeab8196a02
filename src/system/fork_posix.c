/*
** Owns how forks are watched. POSIX only.
*/
#include "system/fork.h"

#include <pthread.h>

void fork_watch(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
    pthread_atfork(before, in_parent, in_child);
}
