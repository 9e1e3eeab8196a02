/*
** Handshake: what is checked and decided while one runs: whether the peer's
** certificate is accepted, and which context serves a client.
*/
#ifndef ARSENAL_OPENSSL_HANDSHAKE_H
#define ARSENAL_OPENSSL_HANDSHAKE_H

#include "openssl/session.h"

/*
** Makes a client ask for `name`, and, if it verifies, accept only certificates that
** are valid for it. False if there is no memory.
*/
bool handshake_expect(Session *session, const char *name, bool verifies);

/* OpenSSL's callback after it has verified a certificate of the chain. */
int handshake_verified(int ok, X509_STORE_CTX *store);

/*
** OpenSSL's callback for a client hello; `settings` are those of the context. It
** refuses a client that asks for a name that is none, and stops the handshake if Lua
** chooses the context.
*/
int handshake_greeted(SSL *ssl, int *alert, void *settings);

/* The handshake is done: returns 0, or the status of a session that is refused. */
int handshake_done(Session *session);

#endif
