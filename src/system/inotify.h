/*
** File watches of the system: Linux's inotify. On other systems watch_tree_new fails.
** A directory's watch tells about its entries; with `recursive`, so do those of all
** directories below it.
*/
#ifndef ARSENAL_SYSTEM_INOTIFY_H
#define ARSENAL_SYSTEM_INOTIFY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct WatchTree WatchTree;

typedef enum WatchChange {
    WATCH_CREATED,
    WATCH_CHANGED,
    WATCH_REMOVED,
    WATCH_OVERFLOW /* there were too many: some are lost */
} WatchChange;

/* Watches `path`. Returns 0 or a status. For threads, because it reads directories. */
int watch_tree_new(const char *path, bool recursive, WatchTree **made);
void watch_tree_free(WatchTree *tree); /* closes the descriptor */
int watch_tree_fd(const WatchTree *tree);

/*
** Takes the next event: returns 1, with its name below the path, which is valid until
** the next call; UV_EAGAIN if there is none yet; or another status.
*/
int watch_tree_next(WatchTree *tree, WatchChange *change, const char **name);

#endif
