/*
** Records: the transport that encrypts.
*/
#ifndef ARSENAL_OPENSSL_RECORDS_H
#define ARSENAL_OPENSSL_RECORDS_H

#include "stream/transport.h"

extern const Transport records_transport;

#endif
