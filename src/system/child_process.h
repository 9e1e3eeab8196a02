/*
** Child processes: the system's calls on children that libuv has started.
*/
#ifndef ARSENAL_SYSTEM_CHILD_PROCESS_H
#define ARSENAL_SYSTEM_CHILD_PROCESS_H

#include <stdbool.h>
#include <uv.h>

/* Must have returned 0 before the first spawn; otherwise a status. */
int child_process_prepare(void);

/*
** uv_spawn, of whose child the program inherits no descriptors but 0 to 2. The
** handle must be closed afterwards, in any case. Returns 0 or a status.
*/
int child_process_spawn(uv_loop_t *loop, uv_process_t *process,
                        const uv_process_options_t *options);

/* Sends a signal to the process, or to its group. Returns 0 or a status. */
int child_process_signal(int pid, bool group, int signal);

/* Whether any process lives in the group that the child leads or has led. */
bool child_process_has_group(int pid);

/* Reaps the child if it has ended. Returns whether it is gone. */
bool child_process_reap(int pid);

bool child_process_is_directory(const char *path);
int child_process_self(void);
char **child_process_environment(void); /* "NAME=value", up to a NULL; NULL: none */

#endif
