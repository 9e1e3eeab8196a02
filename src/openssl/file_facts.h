/*
** What the system tells of a file that OpenSSL is to read.
*/
#ifndef ARSENAL_OPENSSL_FILE_FACTS_H
#define ARSENAL_OPENSSL_FILE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct FileFacts {
    bool is_directory;
    int64_t changed; /* when, in units of the system */
    int64_t size, number;
} FileFacts;

int file_facts(const char *path, FileFacts *facts); /* 0 or a status of libuv's */

int file_facts_try(const char *path); /* the status of opening it for reading */

#endif
