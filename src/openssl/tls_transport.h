/*
** The transport that encrypts: a stream's bytes as TLS records. Its state is a Session.
*/
#ifndef ARSENAL_OPENSSL_TLS_TRANSPORT_H
#define ARSENAL_OPENSSL_TLS_TRANSPORT_H

#include "stream/transport.h"

extern const Transport tls_transport;

#endif
