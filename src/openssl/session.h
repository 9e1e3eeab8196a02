/*
** Sessions: one connection's side of TLS, as the transport that a stream runs
** over. A session is a userdata, which the stream keeps; its resources are gone
** once the stream is closed.
*/
#ifndef ARSENAL_OPENSSL_SESSION_H
#define ARSENAL_OPENSSL_SESSION_H

#include "openssl/error_text.h"

#include "stream/transport.h"

#include <lua.h>
#include <openssl/ssl.h>

typedef struct Session {
    const Transport *transport; /* first: where the core looks for it */
    SSL *ssl;                   /* NULL once it is closed */
    int fd;
    int error;       /* the system's, of the last read or write */
    int failed;      /* the status that ended it, or 0 */
    char *reason;    /* of that, in words */
    char *peer_name; /* which the peer's certificate must be for */

    char *asked_name;      /* by a client that is being greeted; "" for none */
    unsigned char state;   /* of the question which context serves it */
    unsigned char tickets; /* of TLS 1.3, that go out with the first answer */
    bool ended;            /* no more will be read */
    bool short_read;       /* the last read got less than it asked for: there was no more */
    bool is_cut;           /* our direction has ended in a torn message */
    bool holds;            /* a record has been made of bytes that write has not counted */
} Session;

enum { SESSION_NOT_ASKED, SESSION_ASKING, SESSION_ANSWERED, SESSION_REFUSED };

/* The failure that OpenSSL has just told of, as a status; keeps its words. */
int session_fail(Session *session);

/* The peer's direction has ended without a word: likewise. Ours goes on. */
int session_cut_off(Session *session);

/* The handshake is done: 0, or why its result is refused. */
int session_established(Session *session);

/* A context's callbacks: a certificate was verified; a client has said hello. */
int session_verified(int ok, X509_STORE_CTX *store);
int session_greeted(SSL *ssl, int *alert, void *argument);

void session_close(Session *session, bool clean); /* `clean`: the peer is told that we end */

void session_open(lua_State *L); /* [-0, +0] adds its functions to the table on top */

#endif
