/*
** Owns the system calls of inotify, and the directories that belong to its watches.
*/
#include "base/platform.h"

#include "system/inotify.h"

#include <uv.h>

#ifdef __linux__

#include "base/buffer.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WATCHED = IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |
              IN_MOVE_SELF | IN_EXCL_UNLINK,
    EVENTS_SIZE = 4096
};

/* A directory below the path, or the path itself: its name is "" then. */
typedef struct Watched {
    int number; /* inotify's; -1: none any more */
    char *name;
} Watched;

struct WatchTree {
    int fd;
    bool recursive;
    char *path;
    Watched *watched;
    unsigned count, room;
    Buffer events; /* inotify's events that have been read */
    Buffer found;  /* entries older than the watch of their directory: names, each with a NUL */
    char name[PATH_MAX];
};

/* --- the watched --- */

static const Watched *watch_find(const WatchTree *tree, int number) {
    for (unsigned i = 0; i < tree->count; i++)
        if (tree->watched[i].number == number) return &tree->watched[i];
    return NULL;
}

static void watch_drop(WatchTree *tree, unsigned index) {
    free(tree->watched[index].name);
    tree->watched[index] = tree->watched[--tree->count];
}

/* There is no such watch any more. */
static void watch_ended(WatchTree *tree, int number) {
    for (unsigned i = 0; i < tree->count; i++)
        if (tree->watched[i].number == number) {
            watch_drop(tree, i);
            return;
        }
}

static int watch_keep(WatchTree *tree, int number, const char *name) {
    watch_ended(tree, number); /* the same directory had another name */
    if (tree->count == tree->room) {
        unsigned room = tree->room * 2 + 8;
        Watched *more = realloc(tree->watched, room * sizeof *more);
        if (more == NULL) return UV_ENOMEM;
        tree->watched = more;
        tree->room = room;
    }
    Watched *watched = &tree->watched[tree->count];
    *watched = (Watched){number, strdup(name)};
    if (watched->name == NULL) return UV_ENOMEM;
    tree->count++;
    return 0;
}

/* A directory has been moved away with all below it. */
static void watch_leave(WatchTree *tree, const char *name) {
    size_t length = strlen(name);
    for (unsigned i = tree->count; i-- > 0;) {
        const Watched *watched = &tree->watched[i];
        bool is_below = strncmp(watched->name, name, length) == 0 &&
                        (watched->name[length] == '\0' || watched->name[length] == '/');
        if (!is_below) continue;
        inotify_rm_watch(tree->fd, watched->number);
        watch_drop(tree, i);
    }
}

/* "path/name", or the path alone for "". Returns false if that is too long. */
static bool watch_place(const WatchTree *tree, const char *name, char *place) {
    int length = snprintf(place, PATH_MAX, "%s%s%s", tree->path, *name == '\0' ? "" : "/", name);
    return length < PATH_MAX;
}

static bool watch_join(char *joined, const char *directory, const char *name) {
    int length =
        snprintf(joined, PATH_MAX, "%s%s%s", directory, *directory == '\0' ? "" : "/", name);
    return length < PATH_MAX;
}

/* --- watching directories --- */

static int watch_add(WatchTree *tree, const char *name, bool tells);

/* Watches the directories in one, and if it `tells` keeps the names of all entries as found. */
static int watch_add_entries(WatchTree *tree, const char *name, const char *place, bool tells) {
    char below[PATH_MAX];
    const struct dirent *entry;
    int status = 0;
    DIR *directory = opendir(place);
    if (directory == NULL) return 0; /* it is gone, or may not be read */
    while (status == 0 && (entry = readdir(directory)) != NULL) {
        struct stat found;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (!watch_join(below, name, entry->d_name)) continue;
        if (tells && !buffer_append(&tree->found, below, strlen(below) + 1)) status = UV_ENOMEM;
        bool is_directory =
            fstatat(dirfd(directory), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(found.st_mode);
        if (status == 0 && is_directory) status = watch_add(tree, below, tells);
    }
    closedir(directory);
    return status;
}

/* Watches a directory below the path, and what is in it. One that is gone is no failure. */
static int watch_add(WatchTree *tree, const char *name, bool tells) {
    char place[PATH_MAX];
    if (!watch_place(tree, name, place)) return 0;
    int number = inotify_add_watch(tree->fd, place, WATCHED | IN_ONLYDIR | IN_DONT_FOLLOW);
    if (number < 0) return errno == ENOSPC || errno == ENOMEM ? -errno : 0;
    int status = watch_keep(tree, number, name);
    return status != 0 ? status : watch_add_entries(tree, name, place, tells);
}

static int watch_begin(WatchTree *tree) {
    struct stat found;
    int number = inotify_add_watch(tree->fd, tree->path, WATCHED);
    if (number < 0) return -errno;
    int status = watch_keep(tree, number, "");
    bool is_directory = stat(tree->path, &found) == 0 && S_ISDIR(found.st_mode);
    if (status != 0 || !tree->recursive || !is_directory) return status;
    return watch_add_entries(tree, "", tree->path, false);
}

int watch_tree_new(const char *path, bool recursive, WatchTree **made) {
    WatchTree *tree = calloc(1, sizeof *tree);
    if (tree == NULL) return UV_ENOMEM;
    tree->recursive = recursive;
    tree->path = strdup(path);
    tree->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int status = tree->fd < 0 ? -errno : 0;
    if (tree->path == NULL) status = UV_ENOMEM;
    if (status == 0) status = watch_begin(tree);
    if (status == 0)
        *made = tree;
    else
        watch_tree_free(tree);
    return status;
}

void watch_tree_free(WatchTree *tree) {
    while (tree->count > 0)
        watch_drop(tree, tree->count - 1);
    free(tree->watched);
    free(tree->path);
    buffer_free(&tree->events);
    buffer_free(&tree->found);
    if (tree->fd >= 0) close(tree->fd);
    free(tree);
}

int watch_tree_fd(const WatchTree *tree) {
    return tree->fd;
}

/* --- events --- */

static int watch_read(WatchTree *tree) {
    ssize_t count;
    char *room = buffer_reserve(&tree->events, EVENTS_SIZE);
    if (room == NULL) return UV_ENOMEM;
    RETRY_ON_EINTR(count = read(tree->fd, room, EVENTS_SIZE));
    buffer_added(&tree->events, count > 0 ? (size_t)count : 0);
    return count >= 0 ? 0 : -errno;
}

static bool watch_take_found(WatchTree *tree) {
    if (buffer_length(&tree->found) == 0) return false;
    snprintf(tree->name, sizeof tree->name, "%s", buffer_data(&tree->found));
    buffer_drop(&tree->found, strlen(buffer_data(&tree->found)) + 1);
    return true;
}

/* A directory that is new: returns 0 or a status. */
static int watch_follow(WatchTree *tree, const struct inotify_event *event) {
    bool is_directory = tree->recursive && (event->mask & IN_ISDIR);
    if (is_directory && (event->mask & IN_MOVED_FROM)) watch_leave(tree, tree->name);
    if (is_directory && (event->mask & (IN_CREATE | IN_MOVED_TO)))
        return watch_add(tree, tree->name, true);
    return 0;
}

static WatchChange watch_change_of(uint32_t mask) {
    if (mask & (IN_CREATE | IN_MOVED_TO)) return WATCH_CREATED;
    return mask & IN_MODIFY ? WATCH_CHANGED : WATCH_REMOVED;
}

/* Returns 1 if the event is one to tell, 0 if it is not, or a status. */
static int watch_take_event(WatchTree *tree, const struct inotify_event *event,
                            WatchChange *change) {
    if (event->mask & IN_Q_OVERFLOW) {
        *change = WATCH_OVERFLOW;
        tree->name[0] = '\0';
        return 1;
    }
    if (event->mask & IN_IGNORED) {
        watch_ended(tree, event->wd);
        return 0;
    }
    const Watched *watched = watch_find(tree, event->wd);
    if (watched == NULL) return 0;
    bool is_own = (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
    if (is_own && *watched->name != '\0') return 0; /* the directory above tells it */
    if (!watch_join(tree->name, watched->name, event->len > 0 ? event->name : "")) return 0;
    if (event->len == 0) snprintf(tree->name, sizeof tree->name, "%s", watched->name);
    *change = watch_change_of(event->mask);
    int status = watch_follow(tree, event);
    return status == 0 ? 1 : status;
}

int watch_tree_next(WatchTree *tree, WatchChange *change, const char **name) {
    int taken = 0;
    *name = tree->name;
    *change = WATCH_CREATED;
    while (taken == 0) {
        struct inotify_event head, *event;
        if (watch_take_found(tree)) return 1;
        if (buffer_length(&tree->events) == 0) {
            int status = watch_read(tree);
            if (status != 0) return status;
        }
        memcpy(&head, buffer_data(&tree->events), sizeof head);
        event = malloc(sizeof head + head.len);
        if (event == NULL) return UV_ENOMEM;
        memcpy(event, buffer_data(&tree->events), sizeof head + head.len);
        buffer_drop(&tree->events, sizeof head + head.len);
        taken = watch_take_event(tree, event, change);
        free(event);
    }
    return taken;
}

#else

int watch_tree_new(const char *path, bool recursive, WatchTree **made) {
    (void)path, (void)recursive, (void)made;
    return UV_ENOTSUP;
}

void watch_tree_free(WatchTree *tree) {
    (void)tree;
}

int watch_tree_fd(const WatchTree *tree) {
    (void)tree;
    return -1;
}

int watch_tree_next(WatchTree *tree, WatchChange *change, const char **name) {
    (void)tree, (void)change, (void)name;
    return UV_ENOTSUP;
}

#endif
