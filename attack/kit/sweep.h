/*
** A sweep: every script with every fault at every point, or at some points.
*/
#ifndef ATTACK_KIT_SWEEP_H
#define ATTACK_KIT_SWEEP_H

#include "kit/fault.h"

typedef struct Sweep {
    const char *name;           /* of the make target */
    const Fault *faults;        /* up to one without name */
    const char *const *scripts; /* up to NULL */
} Sweep;

/* Runs it as the arguments say; returns what main is to return. */
int sweep_main(const Sweep *sweep, int argc, char **argv);

#endif
