/*
** The wire: a session's descriptor, which never blocks, as OpenSSL's BIO.
*/
#ifndef ARSENAL_OPENSSL_WIRE_H
#define ARSENAL_OPENSSL_WIRE_H

#include "openssl/session.h"

BIO *wire_new(Session *session); /* NULL: no memory */

void wire_end(int fd);       /* ends our direction */
void wire_make_room(int fd); /* for a few more bytes than the kernel would take */

#endif
