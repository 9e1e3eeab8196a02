/*
** Files: the system's calls that may wait for a disk, or for a peer of a FIFO. They
** are for threads. A result below 0 is a status of error.h.
*/
#ifndef ARSENAL_SYSTEM_FILE_H
#define ARSENAL_SYSTEM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FILE_READS = 1,
    FILE_WRITES = 2,
    FILE_CREATES = 4,
    FILE_EMPTIES = 8,
    FILE_APPENDS = 16,
};

int file_open(const char *path, unsigned flags,
              int mode); /* a descriptor; UV_EISDIR for a directory */
void file_close(int fd);
int file_end(int fd); /* closes it, and returns the status of what was written late */

int64_t file_size(int fd);
bool file_can_seek(int fd);
int64_t file_seek(int fd, int64_t offset, int whence); /* SEEK_SET, ... */

ptrdiff_t file_read(int fd, char *data, size_t size);
ptrdiff_t file_read_at(int fd, char *data, size_t size, int64_t offset);
int file_write(int fd, const char *data, size_t size); /* all of it */

int file_sync(int fd);
int file_truncate(int fd, int64_t size);

enum { FILE_UNLOCK, FILE_LOCK_SHARED, FILE_LOCK_EXCLUSIVE };
int file_lock(int fd, int kind); /* UV_EAGAIN: another has it */

/* "file", "directory", ... for what stat tells; 'f', 'd', ... for an entry of a directory, '?' if it is gone. */
const char *file_type_name(unsigned mode);
char file_type_at(const char *directory, const char *name);

/* A new file, whose name replaces the X's at the end of `name`. Only its user may read and write it. */
int file_make_unique(char *name);

/*
** A file that is written beside the one it replaces. The end is given the status of
** what was written: with 0 the file takes the other's name once it is on the disk;
** otherwise, or if that fails, it is removed. `mode` is for a file that replaces none.
*/
typedef struct FileReplacement {
    int fd;
    char *path, *name; /* of the file that is replaced, and of the new one */
} FileReplacement;

int file_replace_begin(FileReplacement *replacement, const char *path, int mode);
int file_replace_end(FileReplacement *replacement, int status);

#endif
