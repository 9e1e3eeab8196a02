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

void scope_enter(Scope *scope, Scope *parent, ScopeStack *stack, const ScopeType *type) {
    *scope = (Scope){.stack = stack, .type = type, .doomed = parent->doomed && !type->is_shield};
    scope_link(scope, parent);
    stack->innermost = scope;
}

void scope_leave(Scope *scope) {
    ScopeStack *stack = scope->stack;
    scope_unlink(scope);
    if (stack->innermost == scope && scope->parent->stack == stack)
        stack->innermost = scope->parent;
}

void scope_abandon_inner(Scope *scope) {
    while (scope->stack->innermost != scope)
        scope->stack->innermost->type->abandon(scope->stack->innermost);
}

void scope_attach(Scope *scope, Scope *parent) {
    scope_link(scope, parent);
}

void scope_detach(Scope *scope) {
    scope_unlink(scope);
    *scope = (Scope){.type = scope->type};
}

void scope_move_children(Scope *scope, Scope *parent) {
    while (scope->children.first != NULL) {
        Scope *child = scope_of(scope->children.first);
        scope_unlink(child);
        scope_link(child, parent);
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
        if (scope->stack != NULL && scope->stack->innermost == scope)
            scope->stack->interrupt(scope->stack);
    }
}

const Scope *scope_cause(const Scope *scope) {
    while (!scope->cancelled && scope->parent != NULL)
        scope = scope->parent;
    return scope;
}
