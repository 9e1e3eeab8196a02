/*
** Implements session_object.h.
*/
#include "openssl/session_object.h"

#include "openssl/context.h"
#include "openssl/fields.h"
#include "openssl/handshake.h"
#include "openssl/peer_info.h"
#include "openssl/session.h"
#include "openssl/settings.h"
#include "openssl/tls_transport.h"

#include <lauxlib.h>
#include <openssl/err.h>
#include <string.h>

/* --- making one --- */

enum { SSL_CONTEXT = 1, TABLE };

/* Offers the server a saved session, unless that was made under another identity. */
static void session_object_resume(Session *session, const char *saved, size_t size,
                                  const unsigned char identity[IDENTITY_SIZE]) {
    const unsigned char *data = (const unsigned char *)saved;
    unsigned length;
    SSL_SESSION *old = d2i_SSL_SESSION(NULL, &data, (long)size);
    if (old == NULL) return;
    const unsigned char *made_under = SSL_SESSION_get0_id_context(old, &length);
    if (length == IDENTITY_SIZE && memcmp(made_under, identity, length) == 0)
        SSL_set_session(session->ssl, old);
    SSL_SESSION_free(old);
}

/* False if there is no memory. */
static bool session_object_set_up_client(lua_State *L, Session *session, const Settings *settings) {
    unsigned char identity[IDENTITY_SIZE];
    size_t size = 0;
    const char *name = fields_string(L, TABLE, "name", NULL);
    const char *protocols = fields_string(L, TABLE, "protocols", &size);
    SSL_set_connect_state(session->ssl);
    if (name != NULL && !handshake_expect(session, name, settings->verifies)) return false;
    if (size > 0 &&
        SSL_set_alpn_protos(session->ssl, (const unsigned char *)protocols, (unsigned)size) != 0)
        return false;
    if (!settings_bind(settings, session->ssl, name != NULL ? name : "", identity)) return false;
    const char *saved = fields_string(L, TABLE, "session", &size);
    if (saved != NULL) session_object_resume(session, saved, size, identity);
    return true;
}

static bool session_object_set_up(lua_State *L, Session *session, SSL_CTX *context) {
    const Settings *settings = settings_of(context);
    if (!session_start(session, context)) return false;
    if (!settings->server) return session_object_set_up_client(L, session, settings);
    SSL_set_accept_state(session->ssl);
    return true;
}

int session_object_new(lua_State *L) {
    SSL_CTX *context = context_check(L, SSL_CONTEXT);
    Session *session = lua_newuserdatauv(L, sizeof *session, 0);
    memset(session, 0, sizeof *session);
    session->head.transport = &tls_transport;
    luaL_setmetatable(L, SESSION_METATABLE);
    ERR_clear_error();
    if (!session_object_set_up(L, session, context)) return luaL_error(L, "not enough memory");
    ERR_clear_error();
    return 1;
}

/* --- methods --- */

static Session *session_object_check(lua_State *L) {
    Session *session = luaL_checkudata(L, 1, SESSION_METATABLE);
    if (session->ssl == NULL) luaL_error(L, "the session is closed");
    return session;
}

/* session:asked(): returns the name that the client asks for, "" if none. */
static int session_object_asked(lua_State *L) {
    lua_pushstring(L, session_requested(session_object_check(L)));
    return 1;
}

/* session:serve(context): the handshake continues with that context; nil: its own; false: it fails. */
static int session_object_serve(lua_State *L) {
    Session *session = session_object_check(L);
    bool refused = lua_isboolean(L, 2) && !lua_toboolean(L, 2);
    if (!refused && !lua_isnoneornil(L, 2) && !context_serve(context_check(L, 2), session))
        return luaL_error(L, "not enough memory");
    session->context = refused ? SESSION_CONTEXT_REFUSED : SESSION_CONTEXT_CHOSEN;
    return 0;
}

/* session:info(): returns the table of stream:tls_info(). */
static int session_object_info(lua_State *L) {
    const Session *session = session_object_check(L);
    peer_info_push(L, session->ssl);
    if (!SSL_is_server(session->ssl)) return 1;
    lua_pushstring(L, session->requested); /* NULL: nil */
    lua_setfield(L, -2, "server_name");
    return 1;
}

/* The session is collected together with its stream, whose descriptor is still open if it was not closed. */
static int session_object_gc(lua_State *L) {
    session_close(lua_touserdata(L, 1), true);
    return 0;
}

static const luaL_Reg methods[] = {
    {"asked", session_object_asked},
    {"serve", session_object_serve},
    {"info", session_object_info},
    {NULL, NULL},
};

void session_object_open(lua_State *L) {
    luaL_newmetatable(L, SESSION_METATABLE);
    lua_pushcfunction(L, session_object_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
