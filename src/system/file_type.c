/*
** Owns the names of the types of files.
*/
#include "system/file_type.h"

#include <stddef.h>
#include <sys/stat.h>
#include <uv.h> /* has S_IFLNK on Windows */

static const struct {
    unsigned mode;
    char letter;
    const char *name;
} types[] = {
    {S_IFREG, 'f', "file"},    {S_IFDIR, 'd', "directory"}, {S_IFLNK, 'l', "link"},
    {S_IFIFO, 'p', "fifo"},    {S_IFCHR, 'c', "char"},
#ifndef _WIN32
    {S_IFSOCK, 's', "socket"}, {S_IFBLK, 'b', "block"},
#endif
    {0, '?', "unknown"},
};

static size_t file_type_index(unsigned mode) {
    size_t i = 0;
    while (types[i].mode != 0 && types[i].mode != (mode & S_IFMT))
        i++;
    return i;
}

const char *file_type_name(unsigned mode) {
    return types[file_type_index(mode)].name;
}

char file_type_letter(unsigned mode) {
    return types[file_type_index(mode)].letter;
}
