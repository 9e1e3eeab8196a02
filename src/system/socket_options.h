/*
** Options of sockets, by the names that LuaSocket has for them. Those that this
** system lacks are UV_ENOPROTOOPT; other results below 0 are a status of error.h.
*/
#ifndef ARSENAL_SYSTEM_SOCKET_OPTIONS_H
#define ARSENAL_SYSTEM_SOCKET_OPTIONS_H

int socket_options_get(int fd, const char *name, int *value);
int socket_options_set(int fd, const char *name, int value);

/* What a close does with unsent bytes: waits for at most `seconds` if it is on. */
int socket_options_get_linger(int fd, int *on, int *seconds);
int socket_options_set_linger(int fd, int on, int seconds);

#endif
