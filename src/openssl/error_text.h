/*
** Words for messages: the reason of OpenSSL's last failure, and the names and the
** subject of a certificate.
*/
#ifndef ARSENAL_OPENSSL_ERROR_TEXT_H
#define ARSENAL_OPENSSL_ERROR_TEXT_H

#include <openssl/ssl.h>

enum { ERROR_TEXT = 512 };

/* Writes the reason of the first error in OpenSSL's queue of this thread, and empties the queue. */
void error_text_of_failure(char words[ERROR_TEXT]);

/* Writes the names that a certificate is valid for: "a.example, *.b.example, 127.0.0.1". */
void error_text_of_names(X509 *certificate, char words[ERROR_TEXT]);

/* Writes the subject on one line. */
void error_text_of_subject(X509 *certificate, char words[ERROR_TEXT]);

#endif
