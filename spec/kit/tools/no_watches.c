/*
** A kernel without room for another watch, loaded with LD_PRELOAD: while the file
** that ARSENAL_NO_WATCHES names exists, epoll takes no socket into its care, as
** if the user had /proc/sys/fs/epoll/max_user_watches of them.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_socket(int fd) {
    struct stat facts;
    return fstat(fd, &facts) == 0 && S_ISSOCK(facts.st_mode);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    static int (*real)(int, int, int, struct epoll_event *);
    const char *file = getenv("ARSENAL_NO_WATCHES");
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
    if (operation == EPOLL_CTL_ADD && file != NULL && access(file, F_OK) == 0 && is_socket(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return real(epoll, operation, fd, event);
}
