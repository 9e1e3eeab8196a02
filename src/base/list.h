/*
** Lists: rings of nodes that are members of what is listed. Appending and
** removing take constant time and no memory.
*/
#ifndef ARSENAL_BASE_LIST_H
#define ARSENAL_BASE_LIST_H

#include <stddef.h>

typedef struct ListNode {
    struct ListNode *next, *previous; /* a ring: the last one's next is the first */
} ListNode;

typedef struct List {
    ListNode *first; /* NULL when the list is empty */
} List;

static inline void list_append(List *list, ListNode *node) {
    ListNode *first = list->first;
    if (first == NULL) {
        list->first = node->next = node->previous = node;
    } else {
        node->next = first;
        node->previous = first->previous;
        first->previous->next = node;
        first->previous = node;
    }
}

static inline void list_remove(List *list, ListNode *node) {
    if (node->next == node) {
        list->first = NULL;
    } else {
        if (list->first == node) list->first = node->next;
        node->next->previous = node->previous;
        node->previous->next = node->next;
    }
}

/* The node after this one; NULL after the last. */
static inline ListNode *list_next(const List *list, const ListNode *node) {
    return node->next == list->first ? NULL : node->next;
}

#endif
