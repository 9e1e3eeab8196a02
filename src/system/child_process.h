/*
** Child processes: the system's calls on children that libuv has started.
*/
#ifndef ARSENAL_SYSTEM_CHILD_PROCESS_H
#define ARSENAL_SYSTEM_CHILD_PROCESS_H

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <uv.h>

#ifdef SIGCHLD
enum { CHILD_PROCESS_SIGNAL = SIGCHLD }; /* which tells that a child has ended */
#else
enum { CHILD_PROCESS_SIGNAL = 0 };
#endif

/* Must have returned 0 before the first spawn; otherwise a status. */
int child_process_prepare(void);

/*
** uv_spawn, of whose child the program inherits no descriptors but 0 to 2. The
** handle must be closed afterwards, in any case. Returns 0 or a status.
*/
int child_process_spawn(uv_loop_t *loop, uv_process_t *process, const uv_process_options_t *options,
                        bool detached);

/* Sends a signal to the process, or to its group. Returns 0 or a status. */
int child_process_signal(uv_process_t *process, bool group, int signal);

/* Asks them to end, also those that are stopped. */
void child_process_ask_to_end(uv_process_t *process, bool group);

/* Whether any process lives in the group that the child leads or has led; false where there are no groups. */
bool child_process_has_group(int pid);

/* Reaps the child if it has ended. Returns whether it is gone. */
bool child_process_reap(int pid);

bool child_process_is_directory(const char *path);
int child_process_self(void);
void child_process_push_environment(lua_State *L); /* [-0, +1] a list of "NAME=value" */

#endif
