/*
** Tasks: coroutines that the loop resumes. How they start, run and end.
*/
#ifndef ARSENAL_KERNEL_TASK_H
#define ARSENAL_KERNEL_TASK_H

#include "kernel/wait.h"

/*
** Called around each run of a task, for tools that watch or measure tasks. The
** list is the loop's; a hook's memory is its module's.
*/
typedef struct ResumeHook {
    void (*before)(struct ResumeHook *hook, lua_State *L, Task *task);
    /* `waits`: the task has not ended. If it has, its memory may be another task's by now. */
    void (*after)(struct ResumeHook *hook, lua_State *L, Task *task, bool waits);
    struct ResumeHook *next;
} ResumeHook;

void task_add_hook(Loop *loop, ResumeHook *hook);
void task_remove_hook(Loop *loop, ResumeHook *hook); /* does nothing if it is not in the list */

/*
** [-(n + 1), +0] starts a task below `parent` for the function and its n
** arguments on top. `attachment` is the index of a value that the task's owner
** looks after, or 0. task_spawn_shown pushes the task's object as well.
*/
Task *task_spawn(lua_State *L, Loop *loop, Scope *parent, int n, int attachment);
Task *task_spawn_shown(lua_State *L, Loop *loop, Scope *parent, int n);

/*
** For a task that has not begun: descriptions of it say that the Lua function at that
** level has started it, at the line where that function is. Does nothing if there is none.
*/
void task_set_start(lua_State *L, Task *task, int level);

/* Runs the next `count` of the ready tasks, of which there are at least so many. */
void tasks_run(lua_State *L, Loop *loop, unsigned count);

/* Walks over the tasks that have not ended: takes NULL for the first, returns NULL after the last. */
Task *tasks_next(Loop *loop, const Task *task);
void tasks_cancel_all(Loop *loop);

/* Ends a waiting task without resuming it. */
void task_abandon(lua_State *L, Task *task);

void task_check_function(lua_State *L, int index); /* raises unless it can be called */

#endif
