/*
** Owns the steps of replacing a file.
*/
#include "system/file_replace.h"

#include "system/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static void file_replace_free(FileReplacement *replacement) {
    free(replacement->path);
    free(replacement->name);
}

/* Tries names until one is free. The umask holds for the permissions, as for any new file. */
static int file_replace_create(FileReplacement *replacement, int mode) {
    size_t size = strlen(replacement->path) + 24;
    replacement->name = malloc(size);
    if (replacement->name == NULL) return UV_ENOMEM;
    do {
        snprintf(replacement->name, size, "%s.%08x", replacement->path,
                 (unsigned)(uv_hrtime() >> 4));
        replacement->fd = file_create(replacement->name, mode);
    } while (replacement->fd == UV_EEXIST);
    return replacement->fd >= 0 ? 0 : replacement->fd;
}

/* A symbolic link stays: the file that it leads to is replaced. */
int file_replace_begin(FileReplacement *replacement, const char *path, int mode) {
    *replacement = (FileReplacement){.fd = -1, .path = file_real_path(path)};
    int status = replacement->path == NULL ? UV_ENOMEM : file_replace_create(replacement, mode);
    if (status != 0) {
        file_replace_free(replacement);
        return status;
    }
    status = file_take_rights(replacement->fd, replacement->path);
    return status == 0 ? 0 : file_replace_end(replacement, status);
}

int file_replace_end(FileReplacement *replacement, int status) {
    if (status == 0) status = file_sync(replacement->fd);
    int ended = file_end(replacement->fd);
    if (status == 0) status = ended;
    if (status == 0) status = file_rename(replacement->name, replacement->path);
    if (status == 0)
        status = file_sync_directory(replacement->path);
    else
        file_remove(replacement->name);
    file_replace_free(replacement);
    return status;
}
