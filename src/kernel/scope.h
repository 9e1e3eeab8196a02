/*
** Scopes: the tree in which cancellation spreads. Each task has one, and so
** has each time limit, shield and group inside it; a group's tasks hang below
** the group's.
*/
#ifndef ARSENAL_KERNEL_SCOPE_H
#define ARSENAL_KERNEL_SCOPE_H

#include <lua.h>
#include <stdbool.h>

struct Task;

enum { SCOPE_TASK, SCOPE_LIMIT, SCOPE_GROUP, SCOPE_SHIELD };

typedef struct Scope {
    struct Scope *parent, *children, *next, *previous; /* siblings: a ring */
    struct Task *task;                                 /* on whose stack it is; NULL for the root */
    unsigned char kind;
    bool cancelled;  /* itself */
    bool has_reason; /* task_reason tells the task's own */
    bool doomed;     /* a wait in it raises: it, or one above within the shields, is cancelled */
} Scope;

/* Hangs `scope` below `parent`, and makes it the innermost one of its task. */
void scope_enter(Scope *scope, Scope *parent, struct Task *task, int kind);
void scope_leave(Scope *scope);

/* Hangs a scope that is on no task's stack below `parent`, and takes it away: none is below it then. */
void scope_attach(Scope *scope, Scope *parent);
void scope_detach(Scope *scope);

/* Hangs what is below `scope` below `parent` instead. */
void scope_move_children(Scope *scope, Scope *parent);

/* Cancels it and all below it, up to the shields; the tasks that wait there are woken. */
void scope_cancel(Scope *scope);

/* The scope after `scope` in a walk over the tree below `top`, parents first; NULL at its end. */
const Scope *scope_after(const Scope *scope, const Scope *top, bool descend);

/* Raises the cancellation that dooms `scope`. */
int scope_raise(lua_State *L, const Scope *scope);

bool scope_is_cancellation(lua_State *L, int index); /* whether the value there is such an error */

/* [-0, +1] a cancellation error that tells the value at `index` as its reason */
void scope_push_cancellation(lua_State *L, int index);

void scope_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
