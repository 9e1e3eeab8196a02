/*
** One run of a script with one fault, in a child of its own.
*/
#ifndef ATTACK_KIT_CHILD_H
#define ATTACK_KIT_CHILD_H

#include "kit/fault.h"

#include <stdbool.h>

typedef struct Verdict {
    long passed;  /* points that the script passed while the fault was armed */
    bool is_good; /* everything is as promised; else `text` says what is not */
    char text[1000];
    char error[200];   /* of the script, which may fail; or "" */
    char output[2000]; /* what it wrote to stderr */
} Verdict;

/* Prepares the shared memory, and the state that all children begin with. */
void child_prepare(void);

/* The state in the parent; the module attack.kit.session is on its stack at index 1. */
lua_State *child_state(void);

/* Runs the script with the fault at its n-th point. The result is valid until the next call. */
const Verdict *child_run(const char *script, const Fault *fault, long n);

#endif
