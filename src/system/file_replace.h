/*
** Replacing a file: the new one is written beside the old one, and takes its name in the
** end. So the name always leads to a whole file. For threads.
*/
#ifndef ARSENAL_SYSTEM_FILE_REPLACE_H
#define ARSENAL_SYSTEM_FILE_REPLACE_H

typedef struct FileReplacement {
    int fd;            /* of the new file */
    char *path, *name; /* of the file that is replaced, and of the new one */
} FileReplacement;

/* Makes the new file. `mode` is for one that replaces none. Returns 0 or a status. */
int file_replace_begin(FileReplacement *replacement, const char *path, int mode);

/*
** Ends it with the status of what was written. With 0 the new file takes the name once it
** is on the disk. Otherwise, or if that fails, it is removed. Returns 0 or a status.
*/
int file_replace_end(FileReplacement *replacement, int status);

#endif
