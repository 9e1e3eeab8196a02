/*
** What file_tree.c and its parts for the systems have of each other.
*/
#ifndef ARSENAL_SYSTEM_FILE_TREE_STEPS_H
#define ARSENAL_SYSTEM_FILE_TREE_STEPS_H

#include <stdbool.h>

/* False for the two names in a directory that are not of something in it. */
bool file_tree_is_entry(const char *name);

/* --- the system's: each returns 0 or a status --- */

/* Removes what is at the path, which has no separators at its end. */
int file_tree_remove_at(const char *path);

/* Makes one directory, unless it is there. */
int file_tree_make_one(const char *path, int mode);

#endif
