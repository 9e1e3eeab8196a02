/*
** What differs between systems. A file that makes system calls includes this
** first, because the system's headers depend on it.
*/
#ifndef ARSENAL_BASE_PLATFORM_H
#define ARSENAL_BASE_PLATFORM_H

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#include <afunix.h>
#else
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4, dladdr, RTLD_NODELETE */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64 /* sizes of files, and libuv's requests, where a long has 32 bits */
#endif
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#endif

#include <errno.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SIGPIPE has a handler that does nothing: see core.c */
#endif

/* Repeats a system call that a signal has interrupted: RETRY_ON_EINTR(count = read(...)); */
#define RETRY_ON_EINTR(assignment) \
    do {                           \
    } while ((assignment) < 0 && errno == EINTR)

#endif
