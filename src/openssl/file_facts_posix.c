/*
** Implements file_facts.h on POSIX systems.
*/
#include "base/platform.h"

#include "openssl/file_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#endif

int file_facts(const char *path, FileFacts *facts) {
    struct stat found;
    if (stat(path, &found) != 0) return -errno;
    *facts = (FileFacts){
        .is_directory = S_ISDIR(found.st_mode),
        .changed = (int64_t)found.st_mtim.tv_sec * 1000000000 + found.st_mtim.tv_nsec,
        .size = found.st_size,
        .number = (int64_t)found.st_ino,
    };
    return 0;
}

int file_facts_try(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    close(fd);
    return 0;
}
