/*
** Scopes: the tree in which cancellation spreads. Each task has one, and so has
** each time limit, shield and group inside it; a group's tasks are below the
** group's scope.
*/
#ifndef ARSENAL_KERNEL_SCOPE_H
#define ARSENAL_KERNEL_SCOPE_H

#include "base/list.h"

#include <stdbool.h>

struct Scope;

/* The scopes that a task is in. */
typedef struct ScopeStack {
    struct Scope *innermost;
    /* The innermost scope was cancelled: the task must not wait any longer. */
    void (*interrupt)(struct ScopeStack *stack);
} ScopeStack;

typedef struct ScopeType {
    bool is_shield; /* a cancellation from above stops at it */
    /* Leaves a scope that its call has not left; the ones inside have been left. NULL: a task's. */
    void (*abandon)(struct Scope *scope);
} ScopeType;

typedef struct Scope {
    struct Scope *parent;
    List children;
    ListNode sibling;
    ScopeStack *stack;     /* that it is on; NULL: on none, as those of a suspended generator */
    const void *coroutine; /* that entered it */
    const ScopeType *type;
    bool cancelled; /* itself */
    bool doomed;    /* waits in it raise: it, or an ancestor with no shield between, is cancelled */
    bool has_reason; /* cancellation.h keeps the reason */
} Scope;

/* Puts `scope` below `parent`, and makes it the innermost one of the stack. */
void scope_enter(Scope *scope, Scope *parent, ScopeStack *stack, const ScopeType *type,
                 const void *coroutine);

/* The scopes of the same stack that are inside are left first: their calls will never return. */
void scope_leave(Scope *scope);
void scope_abandon_inner(Scope *scope); /* leaves only those */

/*
** A coroutine stops running for now: the scopes that it has entered leave the
** stack, and live on below `root`. Returns the innermost of them, or NULL. They
** are put back on a stack, the same or another, when the coroutine goes on.
*/
Scope *scope_suspend(ScopeStack *stack, const void *coroutine, Scope *root);
void scope_continue(Scope *innermost, ScopeStack *stack, Scope *root);

/* Makes a scope without a stack a child of `parent`; detach removes it again: it has no children then. */
void scope_attach(Scope *scope, Scope *parent);
void scope_detach(Scope *scope);

/* Cancels the children of `scope`, and puts them below `parent` instead. */
void scope_cancel_children(Scope *scope, Scope *parent);

/* Cancels it and all below it, up to the shields; the tasks that wait there are interrupted. */
void scope_cancel(Scope *scope);

/* The scope after `scope` in a walk over the tree below `top`, parents first; NULL at its end. */
Scope *scope_after(const Scope *scope, const Scope *top, bool descend);

/* The cancelled scope that dooms this one. */
const Scope *scope_cause(const Scope *scope);

#endif
