/*
** Types of files, by the mode that stat returns.
*/
#ifndef ARSENAL_SYSTEM_FILE_TYPE_H
#define ARSENAL_SYSTEM_FILE_TYPE_H

const char *file_type_name(unsigned mode); /* "file", "directory", ... */
char file_type_letter(unsigned mode);      /* 'f', 'd', ... for an entry of a directory */

#endif
