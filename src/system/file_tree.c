/*
** Owns which paths can be removed or made as trees: what is the same on all systems.
*/
#include "system/file_tree.h"

#include "system/file_tree_steps.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* What ends the name of a drive: elsewhere no path has such a byte. */
#ifdef _WIN32
#define SEPARATORS "/\\"
#define DRIVE_END ":"
#else
#define SEPARATORS "/"
#define DRIVE_END ""
#endif

bool file_tree_is_entry(const char *name) {
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The path without separators at its end; NULL: no memory. */
static char *file_tree_trim(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && strchr(SEPARATORS, path[length - 1]) != NULL)
        length--;
    char *trimmed = malloc(length + 1);
    if (trimmed == NULL) return NULL;
    memcpy(trimmed, path, length);
    trimmed[length] = '\0';
    return trimmed;
}

/* Not the root, nor the directory that the path is in or one above it. */
static bool file_tree_may_be_removed(const char *path) {
    const char *name = path;
    for (const char *place; (place = strpbrk(name, SEPARATORS DRIVE_END)) != NULL;)
        name = place + 1;
    return *name != '\0' && file_tree_is_entry(name);
}

int file_tree_remove(const char *path) {
    char *trimmed = file_tree_trim(path);
    if (trimmed == NULL) return UV_ENOMEM;
    int status = UV_EINVAL;
    if (*trimmed == '\0')
        status = UV_ENOENT;
    else if (file_tree_may_be_removed(trimmed))
        status = file_tree_remove_at(trimmed);
    free(trimmed);
    return status;
}

int file_tree_make(char *path, int mode) {
    if (*path == '\0') return UV_ENOENT;
    for (char *place = path; (place = strpbrk(place + 1, SEPARATORS)) != NULL;) {
        char separator = *place;
        bool is_drive = place[-1] == *DRIVE_END;
        *place = '\0';
        int status = is_drive ? 0 : file_tree_make_one(path, 0777);
        *place = separator;
        if (status != 0) return status == UV_EEXIST ? UV_ENOTDIR : status;
    }
    return file_tree_make_one(path, mode);
}
