/*
** Forks of this process, by whatever code makes them. Windows has none.
*/
#ifndef ARSENAL_SYSTEM_FORK_H
#define ARSENAL_SYSTEM_FORK_H

/* From here on these are called before each fork, and after it in the parent and in the child. */
void fork_watch(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

#endif
