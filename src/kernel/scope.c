/*
** Owns the tree of scopes. Cancelling marks everything below at once, so that a
** wait asks only its own scope.
*/
#include "kernel/scope.h"

#include "base/container_of.h"

static Scope *scope_of(ListNode *node) {
    return node == NULL ? NULL : container_of(node, Scope, sibling);
}

static void scope_link(Scope *scope, Scope *parent) {
    scope->parent = parent;
    list_append(&parent->children, &scope->sibling);
}

static void scope_unlink(Scope *scope) {
    list_remove(&scope->parent->children, &scope->sibling);
}

static void scope_interrupt(const Scope *scope) {
    if (scope->stack != NULL && scope->stack->innermost == scope)
        scope->stack->interrupt(scope->stack);
}

/* --- entering and leaving --- */

void scope_enter(Scope *scope, Scope *parent, ScopeStack *stack, const ScopeType *type,
                 const void *coroutine) {
    *scope = (Scope){.stack = stack,
                     .coroutine = coroutine,
                     .type = type,
                     .doomed = parent->doomed && !type->is_shield};
    scope_link(scope, parent);
    stack->innermost = scope;
}

/* A child on the same stack, or on none, as `scope`: one that a call has entered inside it. */
static Scope *scope_inner(const Scope *scope) {
    const List *children = &scope->children;
    for (ListNode *node = children->first; node != NULL; node = list_next(children, node))
        if (scope_of(node)->stack == scope->stack) return scope_of(node);
    return NULL;
}

void scope_abandon_inner(Scope *scope) {
    Scope *inner;
    while ((inner = scope_inner(scope)) != NULL) {
        scope_abandon_inner(inner);
        inner->type->abandon(inner);
    }
}

void scope_leave(Scope *scope) {
    ScopeStack *stack = scope->stack;
    scope_abandon_inner(scope);
    scope_unlink(scope);
    if (stack != NULL && stack->innermost == scope)
        stack->innermost = scope->parent->stack == stack ? scope->parent : NULL;
}

/* --- moving --- */

/* Updates `doomed` in `top`, whose parent has changed, and in all scopes below it. */
static void scope_refresh(Scope *top) {
    bool has_changed = true;
    for (Scope *scope = top; scope != NULL; scope = scope_after(scope, top, has_changed)) {
        bool doomed = scope->cancelled || (scope->parent->doomed && !scope->type->is_shield);
        has_changed = doomed != scope->doomed;
        scope->doomed = doomed;
        if (has_changed && doomed) scope_interrupt(scope);
    }
}

static void scope_move(Scope *scope, Scope *parent) {
    scope_unlink(scope);
    scope_link(scope, parent);
    scope_refresh(scope);
}

Scope *scope_suspend(ScopeStack *stack, const void *coroutine, Scope *root) {
    Scope *innermost = stack->innermost, *outermost = NULL;
    for (Scope *scope = innermost; scope->coroutine == coroutine; scope = scope->parent) {
        outermost = scope;
        scope->stack = NULL;
    }
    if (outermost == NULL) return NULL;
    stack->innermost = outermost->parent;
    scope_move(outermost, root);
    return innermost;
}

void scope_continue(Scope *innermost, ScopeStack *stack, Scope *root) {
    Scope *outermost = innermost;
    innermost->stack = stack;
    while (outermost->parent != root) {
        outermost = outermost->parent;
        outermost->stack = stack;
    }
    Scope *around = stack->innermost;
    stack->innermost = innermost;
    scope_move(outermost, around);
}

void scope_attach(Scope *scope, Scope *parent) {
    scope_link(scope, parent);
}

void scope_detach(Scope *scope) {
    scope_unlink(scope);
    *scope = (Scope){.type = scope->type};
}

void scope_cancel_children(Scope *scope, Scope *parent) {
    while (scope->children.first != NULL) {
        Scope *child = scope_of(scope->children.first);
        scope_cancel(child);
        scope_move(child, parent);
    }
}

Scope *scope_after(const Scope *scope, const Scope *top, bool descend) {
    if (descend && scope->children.first != NULL) return scope_of(scope->children.first);
    while (scope != top) {
        ListNode *next = list_next(&scope->parent->children, &scope->sibling);
        if (next != NULL) return scope_of(next);
        scope = scope->parent;
    }
    return NULL;
}

void scope_cancel(Scope *top) {
    if (top->cancelled) return;
    top->cancelled = true;
    bool spreads = true;
    for (Scope *scope = top; scope != NULL; scope = scope_after(scope, top, spreads)) {
        spreads = scope == top || !(scope->type->is_shield || scope->doomed);
        if (!spreads) continue;
        scope->doomed = true;
        scope_interrupt(scope);
    }
}

const Scope *scope_cause(const Scope *scope) {
    while (!scope->cancelled && scope->parent != NULL)
        scope = scope->parent;
    return scope;
}

Scope *scope_outermost_doomed(Scope *scope) {
    while (!scope->type->is_shield && scope->parent->stack == scope->stack && scope->parent->doomed)
        scope = scope->parent;
    return scope;
}
