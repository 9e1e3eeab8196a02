/*
** Trees of directories. No call follows a symbolic link that it finds in a tree, also
** if one takes the place of a directory meanwhile. For threads.
*/
#ifndef ARSENAL_SYSTEM_FILE_TREE_H
#define ARSENAL_SYSTEM_FILE_TREE_H

/* Removes what is at `path`, with all that is in it. Returns 0 or a status. */
int file_tree_remove(const char *path);

/* Makes a directory, and those above it that are missing. Returns 0 or a status. */
int file_tree_make(char *path, int mode);

#endif
