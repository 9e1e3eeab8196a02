/*
** Wire: the connection below a session, as the BIO that OpenSSL reads and writes.
** Its bytes go through the core's plain transport, which makes the system calls.
*/
#ifndef ARSENAL_OPENSSL_WIRE_H
#define ARSENAL_OPENSSL_WIRE_H

#include "openssl/record_budget.h"

#include "stream/transport.h"

#include <openssl/bio.h>

typedef struct Wire {
    const Transport *plain;
    int fd;
    int status;          /* of the last read or write: 0, or a negative errno */
    bool ended;          /* the peer has closed the connection */
    RecordBudget budget; /* nothing is read while it is spent */
    bool short_read;     /* the last read returned less than it asked for: the socket is empty */
} Wire;

/* Returns a BIO over `wire`, which must outlive it; NULL if there is no memory. */
BIO *wire_new(Wire *wire);

void wire_move(BIO *bio, Wire *to); /* the BIO is over `to` from here on */

void wire_end(const Wire *wire); /* ends the sending direction */

/* Makes the kernel accept a few more bytes although its send buffer is full. */
void wire_make_room(const Wire *wire);

#endif
