/*
** The alternative names in a certificate: the hosts that it is valid for.
*/
#ifndef ARSENAL_OPENSSL_CERT_NAMES_H
#define ARSENAL_OPENSSL_CERT_NAMES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

/* Called with one name; returns false to end the visit. */
typedef bool (*CertNameVisitor)(void *context, const char *name, size_t length);

/* Calls `visit` for each DNS name and each IP address, as text. */
void cert_names_visit(X509 *certificate, CertNameVisitor visit, void *context);

#endif
