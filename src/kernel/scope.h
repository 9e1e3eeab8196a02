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
    /* Ends the task's wait, if it waits, because the innermost scope was cancelled. */
    void (*interrupt)(struct ScopeStack *stack);
} ScopeStack;

typedef struct ScopeType {
    bool is_shield; /* a cancellation from above stops at it */
    /* Leaves a scope whose call will never leave it. Those inside are left first. NULL: a task's. */
    void (*abandon)(struct Scope *scope);
} ScopeType;

typedef struct Scope {
    bool doomed;    /* waits in it raise: it, or an ancestor with no shield between, is cancelled */
    bool cancelled; /* it was cancelled itself */
    bool has_reason; /* cancellation.h keeps the reason */
    unsigned raises; /* cancellations raised in it, if scope_outermost_doomed finds it */
    struct Scope *parent;
    List children;
    ListNode sibling;
    ScopeStack *stack; /* where it is; NULL: on none, like the scopes of a suspended generator */
    const void *coroutine; /* the one that has entered it */
    const ScopeType *type;
} Scope;

/* Puts `scope` below `parent`, and makes it the innermost one of the stack. */
void scope_enter(Scope *scope, Scope *parent, ScopeStack *stack, const ScopeType *type,
                 const void *coroutine);

/* Scopes inside it on the same stack are left first, because their calls will never return. */
void scope_leave(Scope *scope);
void scope_abandon_inner(Scope *scope); /* leaves only those */

/*
** For a coroutine that stops running for now: takes the scopes that it has entered
** off the stack, and moves them below `root`. Returns the innermost of them, or
** NULL. scope_continue puts them on a stack, the same or another, when the
** coroutine runs again.
*/
Scope *scope_suspend(ScopeStack *stack, const void *coroutine, Scope *root);
void scope_continue(Scope *innermost, ScopeStack *stack, Scope *root);

/* Makes a scope without a stack a child of `parent`. Detaching needs a scope without children. */
void scope_attach(Scope *scope, Scope *parent);
void scope_detach(Scope *scope);

/* Cancels the children of `scope`, and puts them below `parent` instead. */
void scope_cancel_children(Scope *scope, Scope *parent);

/* Cancels the scope and all below it, up to the shields, and ends the waits there. */
void scope_cancel(Scope *scope);

/* The scope after `scope` in a walk over the tree below `top`, parents first; NULL at its end. */
Scope *scope_after(const Scope *scope, const Scope *top, bool descend);

/* Returns the cancelled scope because of which waits in `scope` raise: itself, or an ancestor. */
const Scope *scope_cause(const Scope *scope);

/* Returns the outermost scope on the same stack whose cancellation makes waits in `scope` raise. */
Scope *scope_outermost_doomed(Scope *scope);

#endif
