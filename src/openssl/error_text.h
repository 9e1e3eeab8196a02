/*
** What OpenSSL has to say about a failure, in words for a message.
*/
#ifndef ARSENAL_OPENSSL_ERROR_TEXT_H
#define ARSENAL_OPENSSL_ERROR_TEXT_H

#include <openssl/ssl.h>
#include <stddef.h>

enum { ERROR_TEXT = 512 };

/* Puts the reason of the first error in the thread's queue into `words`, and empties the queue. */
void error_text_of_failure(char words[ERROR_TEXT]);

/* The names that a certificate is for: "a.example, *.b.example, 127.0.0.1". */
void error_text_of_names(X509 *certificate, char words[ERROR_TEXT]);

/* The subject, on one line. */
void error_text_of_subject(X509 *certificate, char words[ERROR_TEXT]);

#endif
