/*
** Crews: the first Lua state of a program and its workers, as far as they can wake
** each other. A state is awake, or it rests: each of its tasks waits for what only
** others of the crew can do, and it has no messages. A state or thread that wakes another
** one is awake itself, and counts the other one. So when the count is 0, none can ever be
** woken: that is a deadlock, which the first state reports. All of this may be called in
** any thread.
*/
#ifndef ARSENAL_EVENT_CREW_H
#define ARSENAL_EVENT_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Crew {
    atomic_uint holders;
    atomic_uint awake;                 /* states, threads that start or end, and blocking calls */
    void (*report)(struct Crew *crew); /* none is awake: posts that to the first state */
    void (*free)(struct Crew *crew);
} Crew;

static inline void crew_hold(Crew *crew) {
    atomic_fetch_add(&crew->holders, 1);
}

/* NULL: does nothing */
static inline void crew_release(Crew *crew) {
    if (crew != NULL && atomic_fetch_sub(&crew->holders, 1) == 1) crew->free(crew);
}

/* Counts one more that is awake. The caller is of the crew, and awake. */
static inline void crew_wake(Crew *crew) {
    atomic_fetch_add(&crew->awake, 1);
}

/* One is not awake any more. True: it was the last one, and the caller must call crew->report. */
static inline bool crew_rest(Crew *crew) {
    return atomic_fetch_sub(&crew->awake, 1) == 1;
}

#endif
