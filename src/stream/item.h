/*
** Items: what a call that receives takes from the front of the bytes that have
** arrived: some bytes, a number of them, a line, everything. An item knows where
** it ends, and nothing of the stream.
*/
#ifndef ARSENAL_STREAM_ITEM_H
#define ARSENAL_STREAM_ITEM_H

#include "kernel/wait.h"

enum { ITEM_DEFAULT = READ_SIZE, ITEM_DEFAULT_ALL = 64 * 1024 * 1024 }; /* most bytes */

/* The stack of each call, once its arguments are checked. */
enum { ITEM_SELF = 1, ITEM_SIZE, ITEM_LIMIT = 2, ITEM_KEEP, ITEM_DELIMITER };

/* What an ItemFind returns if the item is not complete. */
enum { ITEM_NOT_YET = -1, ITEM_TOO_LONG = -2 };

typedef enum ItemEnd {
    ITEM_ENDS_ANYWHERE,  /* where the bytes end that have come so far, or before: see item_most */
    ITEM_ENDS_AT_SIZE,   /* after ITEM_SIZE bytes */
    ITEM_ENDS_AT_MARK,   /* at a delimiter */
    ITEM_ENDS_AT_THE_END /* of the stream */
} ItemEnd;

/*
** Finds the item at the front of the bytes: returns its length, and how many bytes
** to drop for it in *taken, or one of the constants above. The first *searched bytes
** have been searched before; it is updated.
*/
typedef ptrdiff_t ItemFind(lua_State *L, const char *data, size_t size, size_t *searched,
                           size_t *taken);

/* One kind of item, and the call that receives it. */
typedef struct Item {
    WaitKind wait;
    ItemFind *find; /* NULL if the item ends anywhere */
    const char *verb;
    ItemEnd end;
    unsigned most;    /* bytes of one that ends anywhere; 0: ITEM_SIZE says it */
    bool only_looks;  /* the bytes stay in the stream */
    bool raises;      /* a failure is raised, as an error object */
    bool never_waits; /* returns nothing instead */
} Item;

ItemFind item_find_exact;
ItemFind item_find_delimited;
ItemFind item_find_line;
ItemFind item_find_all;

static inline size_t item_least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The size that an item which ends anywhere has at most. */
static inline size_t item_most(lua_State *L, const Item *item) {
    return item->most > 0 ? item->most : args_size(L, ITEM_SIZE);
}

#endif
