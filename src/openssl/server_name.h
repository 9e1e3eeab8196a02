/*
** Server names: the host names that clients ask for, and that certificates are
** checked for.
*/
#ifndef ARSENAL_OPENSSL_SERVER_NAME_H
#define ARSENAL_OPENSSL_SERVER_NAME_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum { SERVER_NAME_SIZE = 254, ADDRESS_SIZE = 16 };

/*
** Writes a host name in lower case, without its final dot. False if it is none: at
** most 253 bytes, in labels of 1 to 63 letters, digits, hyphens and underscores.
*/
bool server_name_clean(const char *text, size_t size, char name[SERVER_NAME_SIZE]);

/*
** Writes the bytes of a numeric address; returns their count, or 0 if `name` is not
** one. Only the usual forms are addresses, so that nothing is verified as another
** address than the one that it was resolved to: "0127.0.0.1" is not.
*/
size_t server_name_address(const char *name, unsigned char address[ADDRESS_SIZE]);

/*
** server_name(text) for Lua: the clean name, or the address without its zone; nil if
** it is neither.
*/
int server_name_lua(lua_State *L);

#endif
