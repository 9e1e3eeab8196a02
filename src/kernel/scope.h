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
    /* Leaves a scope whose call will never return; NULL: there is none of this type. */
    void (*abandon)(struct Scope *scope);
} ScopeType;

typedef struct Scope {
    struct Scope *parent;
    List children;
    ListNode sibling;
    ScopeStack *stack; /* that it is on; NULL: it belongs to no task's stack */
    const ScopeType *type;
    bool cancelled; /* itself */
    bool doomed;    /* waits in it raise: it, or an ancestor with no shield between, is cancelled */
    bool has_reason; /* cancellation.h keeps the reason */
} Scope;

/* Puts `scope` below `parent`, and makes it the innermost one of the stack. */
void scope_enter(Scope *scope, Scope *parent, ScopeStack *stack, const ScopeType *type);
void scope_leave(Scope *scope);

/* Leaves every scope of the stack inside `scope`, whose calls will never return. */
void scope_abandon_inner(Scope *scope);

/* Makes a scope without a stack a child of `parent`; detach removes it again: it has no children then. */
void scope_attach(Scope *scope, Scope *parent);
void scope_detach(Scope *scope);

/* Puts the children of `scope` below `parent` instead. */
void scope_move_children(Scope *scope, Scope *parent);

/* Cancels it and all below it, up to the shields; the tasks that wait there are interrupted. */
void scope_cancel(Scope *scope);

/* The scope after `scope` in a walk over the tree below `top`, parents first; NULL at its end. */
Scope *scope_after(const Scope *scope, const Scope *top, bool descend);

/* The cancelled scope that dooms this one. */
const Scope *scope_cause(const Scope *scope);

#endif
