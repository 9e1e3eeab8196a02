/*
** Records: the transport that encrypts.
*/
#ifndef ARSENAL_OPENSSL_TLS_TRANSPORT_H
#define ARSENAL_OPENSSL_TLS_TRANSPORT_H

#include "stream/transport.h"

extern const Transport tls_transport;

#endif
