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

/* A descriptor; UV_EISDIR for a directory. */
int file_open(const char *path, unsigned flags, int mode);
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

/* The file_type_letter of a directory's entry; '?' if it is gone. A symbolic link is not followed. */
char file_type_at(const char *directory, const char *name);

/* A new file, whose name replaces the X's at the end of `name`. Only its user may read and write it. */
int file_make_unique(char *name);

/* A new file that is open for writing; UV_EEXIST if something has the name. */
int file_create(const char *path, int mode);

int file_rename(const char *from, const char *to);
void file_remove(const char *path);

/*
** The path without symbolic links, or a copy of it if it leads to nothing; in memory from
** malloc. NULL: no memory.
*/
char *file_real_path(const char *path);

/*
** Gives a file what the one at `path`, if there is one, has: permissions, and owners if
** this user may. UV_EISDIR.
*/
int file_take_rights(int fd, const char *path);

/* Syncs the directory of the file at `path`: then a new name in it is on the disk. */
int file_sync_directory(const char *path);

#endif
