/*
** Crews: the first Lua state of a program and its workers, as far as they can wake
** each other. A state is awake, or it rests: each of its tasks waits for what only
** others of the crew can do, and it has no messages. Whoever is woken is counted by
** the one who wakes it, who is awake. So when the count is 0 nobody can wake anybody,
** and that stays so: the first state is told. All of this may be called in any thread.
*/
#ifndef ARSENAL_EVENT_CREW_H
#define ARSENAL_EVENT_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Crew {
    atomic_uint holders;
    atomic_uint awake;               /* states, threads that start or end, and blocking calls */
    void (*tell)(struct Crew *crew); /* the first state, see inbox.c */
    void (*free)(struct Crew *crew);
} Crew;

static inline void crew_hold(Crew *crew) {
    atomic_fetch_add(&crew->holders, 1);
}

/* NULL: does nothing */
static inline void crew_release(Crew *crew) {
    if (crew != NULL && atomic_fetch_sub(&crew->holders, 1) == 1) crew->free(crew);
}

/* One more is awake. The caller is another one that is. */
static inline void crew_wake(Crew *crew) {
    atomic_fetch_add(&crew->awake, 1);
}

/* One is not awake any more; true: that was the last one, and crew->tell must follow. */
static inline bool crew_rest(Crew *crew) {
    return atomic_fetch_sub(&crew->awake, 1) == 1;
}

#endif
