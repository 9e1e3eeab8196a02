/*
** What OpenSSL has to say about a failure, in words for a message.
*/
#ifndef ARSENAL_OPENSSL_WORDS_H
#define ARSENAL_OPENSSL_WORDS_H

#include <openssl/ssl.h>
#include <stddef.h>

enum { WORDS = 512 };

/* Puts the reason of the first error in the thread's queue into `words`, and empties the queue. */
void words_of_failure(char words[WORDS]);

/* The names that a certificate is for: "a.example, *.b.example, 127.0.0.1". */
void words_of_names(X509 *certificate, char words[WORDS]);

/* The subject, on one line. */
void words_of_subject(X509 *certificate, char words[WORDS]);

#endif
