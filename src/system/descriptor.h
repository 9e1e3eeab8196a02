/*
** Descriptors that other libraries own: whether one is still of the same file,
** copies of it, and reading and writing without blocking.
*/
#ifndef ARSENAL_SYSTEM_DESCRIPTOR_H
#define ARSENAL_SYSTEM_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

/* The file of a descriptor: the number may be another file's later. */
typedef struct DescriptorFile {
    uint64_t device, inode;
} DescriptorFile;

int descriptor_file(int fd, DescriptorFile *file); /* 0 or a status */
bool descriptor_is_of(int fd, const DescriptorFile *file);

/* Of a C stream: its descriptor, and whether it has bytes that were read and not yet given out. */
int descriptor_of_stream(FILE *stream);
int descriptor_to_wait_on(FILE *stream); /* the same, but what a SOCKET has for it on Windows */
bool descriptor_stream_has_bytes(FILE *stream);

int descriptor_of_socket(int fd); /* one that a child can have as a standard stream, or a status */
int descriptor_copy(int fd);      /* a descriptor, closed on exec, or a status */
void descriptor_close(int fd);

/* Whether reading and writing may block; the second makes it so again. A status below 0. */
int descriptor_blocks(int fd);
void descriptor_make_blocking(int fd);

/* Reads and writes of a pipe, terminal or file: a count or a status. */
ptrdiff_t descriptor_read(int fd, char *data, size_t size);
ptrdiff_t descriptor_write(int fd, const uv_buf_t *parts, unsigned count);

/*
** A descriptor for a stream on what another descriptor refers to. Reads and writes do
** not block, except those of a regular file, which has no other way. If that has made
** the other descriptor non-blocking, too, `shares` is set, and descriptor_make_blocking
** is due in the end.
*/
typedef struct DescriptorView {
    int fd; /* or a status */
    bool is_socket;
    bool shares;
} DescriptorView;

DescriptorView descriptor_view(int fd);

/* Puts /dev/null in the place of what the descriptor refers to. Returns 0 or a status. */
int descriptor_silence(int fd);

#endif
