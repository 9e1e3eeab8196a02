/*
** Owns trees of directories on Windows. A symbolic link or junction in a tree is removed
** itself: libuv's unlink tells them from directories, so that none is followed.
*/
#include "base/platform.h"

#include "system/file_tree_steps.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

enum { MOST_PASSES = 10 };

static int tree_result(uv_fs_t *request) {
    int result = (int)request->result;
    uv_fs_req_cleanup(request);
    return result;
}

static bool tree_is_directory(const char *path,
                              int (*stat)(uv_loop_t *, uv_fs_t *, const char *, uv_fs_cb)) {
    uv_fs_t request;
    stat(NULL, &request, path, NULL);
    bool is = request.result == 0 && (request.statbuf.st_mode & S_IFMT) == S_IFDIR;
    uv_fs_req_cleanup(&request);
    return is;
}

static int tree_remove_entry(const char *directory, const char *name) {
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path == NULL) return UV_ENOMEM;
    snprintf(path, size, "%s/%s", directory, name);
    int status = file_tree_remove_at(path);
    free(path);
    return status == UV_ENOENT ? 0 : status;
}

/* Returns the number of entries that were there, or a status. */
static int tree_pass(const char *path) {
    uv_fs_t request;
    uv_dirent_t entry;
    int found = uv_fs_scandir(NULL, &request, path, 0, NULL), status = 0;
    while (found > 0 && status == 0 && uv_fs_scandir_next(&request, &entry) != UV_EOF)
        status = tree_remove_entry(path, entry.name);
    uv_fs_req_cleanup(&request);
    return status != 0 ? status : found;
}

/*
** Others may add entries meanwhile. A file that is open somewhere stays until it is closed:
** then rmdir fails.
*/
int file_tree_remove_at(const char *path) {
    uv_fs_t request;
    uv_fs_unlink(NULL, &request, path, NULL);
    int status = tree_result(&request);
    if (status == 0 || !tree_is_directory(path, uv_fs_lstat)) return status;
    status = 1;
    for (int pass = 0; pass < MOST_PASSES && status > 0; pass++)
        status = tree_pass(path);
    if (status < 0) return status;
    uv_fs_rmdir(NULL, &request, path, NULL);
    return tree_result(&request);
}

int file_tree_make_one(const char *path, int mode) {
    uv_fs_t request;
    uv_fs_mkdir(NULL, &request, path, mode, NULL);
    int status = tree_result(&request);
    return status == 0 || tree_is_directory(path, uv_fs_stat) ? 0 : status;
}
