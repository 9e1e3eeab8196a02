/*
** Session: one side of one TLS connection, with how it failed and how it ends. It
** is a userdata that its stream keeps alive; closing the stream frees what it holds.
*/
#ifndef ARSENAL_OPENSSL_SESSION_H
#define ARSENAL_OPENSSL_SESSION_H

#include "openssl/wire.h"

#include "stream/transport.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* Which context serves the client, if an sni option decides that during the handshake. */
typedef enum SessionContext {
    SESSION_CONTEXT_OPEN,
    SESSION_CONTEXT_ASKED, /* the handshake has stopped until Lua answers */
    SESSION_CONTEXT_CHOSEN,
    SESSION_CONTEXT_REFUSED,
} SessionContext;

typedef struct Session {
    TransportHead head; /* first: the core reads it */
    Wire wire;
    SSL *ssl;       /* NULL once the session is closed */
    int failed;     /* the status that ended the session, or 0 */
    char *reason;   /* why it failed; NULL if the status says it all */
    char *expected; /* a client's: the name that the server's certificate must be valid for */

    char *requested;        /* a server's: the name that the client asks for; NULL if none */
    SessionContext context; /* a server's */
    unsigned char tickets;  /* TLS 1.3 tickets to send with the first write */

    bool is_cut;     /* our direction has ended in the middle of a message */
    bool is_holding; /* bytes that write has not counted are in a record already */
} Session;

#define SESSION_METATABLE "arsenal.openssl.session"

/* Initialises a zeroed session on `context`; false if there is no memory. */
bool session_start(Session *session, SSL_CTX *context);

/* Returns the name that the client asks for, "" if none. */
const char *session_requested(const Session *session);

/* Replaces the reason. */
void session_set_reason(Session *session, const char *words);

/* Returns the status of the OpenSSL call that has just failed, keeps its reason, empties the error queue. */
int session_fail(Session *session);

/*
** Returns the status of a connection that the peer closed without close_notify, and
** keeps the reason. The session has not failed: it can still send.
*/
int session_cut_off(Session *session);

/* Moves it into other memory; `from` is closed then. */
void session_move(Session *to, Session *from);

/* Frees all but the userdata. `clean`: sends close_notify first, if that is allowed. */
void session_close(Session *session, bool clean);

#endif
