/*
** The preloaded malloc: fails where it is told to, for callers in certain
** shared objects, and remembers which of their blocks are not free.
*/
#ifndef ATTACK_OOM_FAIL_MALLOC_H
#define ATTACK_OOM_FAIL_MALLOC_H

#include <stddef.h>

/* Callers: the modules themselves, and the libraries that they use. */
enum { FAIL_MODULES, FAIL_LIBRARIES, FAIL_CALLERS };

/* Weak, since the program may run without the library. */
#define FAIL_WEAK __attribute__((weak, visibility("default")))

/* Adds the object whose path ends with `path` to those of `caller`. */
FAIL_WEAK void fail_malloc_add(int caller, const char *path);

/* Fails the n-th call of `caller` from now on, and the next ones up to `width`; n is 0: none. */
FAIL_WEAK void fail_malloc_arm(int caller, long n, int width);

/* Returns how many calls there were. */
FAIL_WEAK long fail_malloc_disarm(void);

/* Forgets the blocks; from now on they are remembered. */
FAIL_WEAK void fail_malloc_track(void);

/* Writes the callers' addresses of blocks that are left into `callers`. Returns how many there are. */
FAIL_WEAK int fail_malloc_left(void **callers, int most);

#endif
