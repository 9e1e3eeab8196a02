/*
** Descriptors that other libraries own: whether one is still of the same file,
** and copies of it.
*/
#ifndef ARSENAL_SYSTEM_DESCRIPTOR_H
#define ARSENAL_SYSTEM_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The file of a descriptor: the number may be another file's later. */
typedef struct DescriptorFile {
    uint64_t device, inode;
} DescriptorFile;

int descriptor_file(int fd, DescriptorFile *file); /* 0 or a status */
bool descriptor_is_of(int fd, const DescriptorFile *file);

/* Of a C stream: its descriptor, and whether it has bytes that were read and not yet given out. */
int descriptor_of_stream(FILE *stream);
bool descriptor_stream_has_bytes(FILE *stream);

int descriptor_copy(int fd); /* a descriptor, closed on exec, or a status */
void descriptor_close(int fd);

/* Whether reading and writing may block; the second makes it so again. A status below 0. */
int descriptor_blocks(int fd);
void descriptor_make_blocking(int fd);

#endif
