/*
** One send of a batch, and what came of it.
*/
#ifndef ARSENAL_SYSTEM_SEND_REQUEST_H
#define ARSENAL_SYSTEM_SEND_REQUEST_H

#include <stddef.h>

enum { SEND_BATCH_MOST = 64 }; /* sends in one batch */

typedef struct SendRequest {
    int fd;
    const char *data;
    size_t size;
    ptrdiff_t result; /* of the send: the count of bytes, or a status; UV_EAGAIN: it would block */
} SendRequest;

#endif
