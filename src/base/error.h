/*
** Errors: the only place that makes `nil, message, code`. A status is 0 or more
** for success, libuv's negative errno, or one of the conditions below.
*/
#ifndef ARSENAL_BASE_ERROR_H
#define ARSENAL_BASE_ERROR_H

#include <lua.h>

/* arsenal's own conditions, far outside libuv's range of errno values */
enum {
    ARSENAL_TIMEOUT = -20000,
    ARSENAL_CLOSED,
    ARSENAL_EOF,
    ARSENAL_TOOLONG,
    ARSENAL_BUSY,
    ARSENAL_TLS,
    ARSENAL_CERT,
    ARSENAL_TRUNCATED,
    ARSENAL_CANCELLED,
};

/*
** Pushes nil, "<what>: <reason>", code and returns 3. `what` is a format as for
** lua_pushfstring and names the operation and the endpoint.
*/
int error_push(lua_State *L, int status, const char *what, ...);

/* Pushes nil, `reason` as the whole message, the code of `status`; returns 3. */
int error_push_reason(lua_State *L, int status, const char *reason);

/* The code (`"ECONNREFUSED"`, `"TIMEOUT"`) and the words of a status. */
const char *error_code(int status);
const char *error_words(int status);

/* Raises "<what>: <words of the status>" as a string. */
int error_raise_status(lua_State *L, int status, const char *what);

/* Prints to stderr, as printf does, what no Lua code receives. */
void error_print(const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 1, 2)))
#endif
    ;

void error_open(lua_State *L); /* [-0, +0]; adds its functions to the table on top */

#endif
