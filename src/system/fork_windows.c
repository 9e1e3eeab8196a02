/*
** Windows has no forks.
*/
#include "system/fork.h"

void fork_watch(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
    (void)before, (void)in_parent, (void)in_child;
}
