/*
** Owns the removal of trees by descriptors of directories and names in them. A
** directory that is deep in the tree is moved to its top before it is emptied, so
** that neither depth nor the length of a path can be too great.
*/
#include "base/platform.h"

#include "system/file_tree_steps.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { DEEPEST = 32 }; /* directories that are open at once */

typedef struct Removal {
    int top;        /* the descriptor of the tree's directory */
    unsigned moved; /* directories that were moved to it */
} Removal;

static int tree_empty(Removal *removal, int fd, int depth);

/* A name that is taken is not empty: the next number is tried then. */
static int tree_move_to_top(Removal *removal, int parent, const char *name) {
    char moved[32];
    int status;
    do {
        snprintf(moved, sizeof moved, ".removed-%u", removal->moved++);
        status = renameat(parent, name, removal->top, moved) == 0 ? 0 : -errno;
    } while (status == UV_ENOTEMPTY || status == UV_EEXIST || status == UV_ENOTDIR);
    return status;
}

static int tree_remove_directory(Removal *removal, int parent, const char *name, int depth) {
    if (depth == DEEPEST) return tree_move_to_top(removal, parent, name);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -errno;
    int status = tree_empty(removal, fd, depth + 1);
    if (status != 0) return status;
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

/* Another process may change what is at the name between two calls: then it is looked at again. */
static int tree_remove_entry(Removal *removal, int parent, const char *name, int depth) {
    enum { TRIES = 8 };
    int status = UV_EAGAIN;
    for (int i = 0; i < TRIES; i++) {
        if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
        status = -errno;
        if (status != UV_EISDIR && status != UV_EPERM) return status;
        int removed = tree_remove_directory(removal, parent, name, depth);
        if (removed == 0 || removed == UV_ENOENT) return 0;
        if (removed != UV_ENOTDIR && removed != UV_ELOOP && removed != UV_ENOTEMPTY) return removed;
    }
    return status;
}

/* Removes each entry once; *found counts them. */
static int tree_pass(Removal *removal, DIR *directory, int depth, unsigned *found) {
    int status = 0;
    const struct dirent *entry;
    *found = 0;
    rewinddir(directory);
    while (status == 0 && (errno = 0, entry = readdir(directory)) != NULL) {
        if (!file_tree_is_entry(entry->d_name)) continue;
        ++*found;
        status = tree_remove_entry(removal, dirfd(directory), entry->d_name, depth);
    }
    return status != 0 ? status : -errno;
}

/* Empties the directory, whose descriptor it closes. What is put into it meanwhile is removed as well. */
static int tree_empty(Removal *removal, int fd, int depth) {
    unsigned found;
    int status;
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        status = -errno;
        close(fd);
        return status;
    }
    do {
        status = tree_pass(removal, directory, depth, &found);
    } while (status == 0 && found > 0);
    closedir(directory);
    return status;
}

int file_tree_remove_at(const char *path) {
    if (unlink(path) == 0) return 0;
    int status = -errno;
    if (status != UV_EISDIR && status != UV_EPERM) return status;
    Removal removal = {open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), 0};
    if (removal.top < 0) return errno == ENOTDIR ? status : -errno;
    int own = fcntl(removal.top, F_DUPFD_CLOEXEC, 0);
    status = own < 0 ? -errno : tree_empty(&removal, own, 0);
    close(removal.top);
    if (status != 0) return status;
    return rmdir(path) == 0 ? 0 : -errno;
}

int file_tree_make_one(const char *path, int mode) {
    struct stat found;
    if (mkdir(path, (mode_t)mode) == 0) return 0;
    int status = -errno;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode) ? 0 : status;
}
