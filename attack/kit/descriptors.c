/*
** Owns the comparison of open descriptors.
*/
#include "kit/descriptors.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 256 };

static bool known[MOST];

static bool descriptors_is_open(int fd) {
    return fcntl(fd, F_GETFD) != -1;
}

void descriptors_remember(void) {
    for (int fd = 0; fd < MOST; fd++)
        known[fd] = descriptors_is_open(fd);
}

static void descriptors_append(char *text, size_t size, int fd) {
    char path[32], target[100];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    size_t used = strlen(text);
    snprintf(text + used, size - used, " %d (%.*s)", fd, length < 0 ? 0 : (int)length, target);
}

int descriptors_find_new(char *text, size_t size) {
    int count = 0;
    text[0] = '\0';
    for (int fd = 0; fd < MOST; fd++) {
        if (known[fd] || !descriptors_is_open(fd)) continue;
        descriptors_append(text, size, fd);
        count++;
    }
    return count;
}
