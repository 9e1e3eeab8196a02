/*
** The names in a certificate: what it may be shown for.
*/
#ifndef ARSENAL_OPENSSL_CERT_NAMES_H
#define ARSENAL_OPENSSL_CERT_NAMES_H

#include <openssl/x509.h>
#include <stddef.h>

/* Calls `visit` for each DNS name and address, as text, until it returns 0. */
void cert_names_visit(X509 *certificate,
                      int (*visit)(void *context, const char *name, size_t length), void *context);

#endif
