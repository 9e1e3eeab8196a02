/*
** Owns the numbers of the options of sockets.
*/
#include "base/platform.h"

#include "system/socket_options.h"

#include "system/socket.h"

#include <string.h>
#ifndef _WIN32
#include <netinet/tcp.h>
#endif

#if defined(__APPLE__) && !defined(TCP_KEEPIDLE)
#define TCP_KEEPIDLE TCP_KEEPALIVE
#endif

static const struct {
    const char *name;
    int level, number;
} options[] = {
    {"keepalive", SOL_SOCKET, SO_KEEPALIVE},
    {"reuseaddr", SOL_SOCKET, SO_REUSEADDR},
#ifdef SO_REUSEPORT
    {"reuseport", SOL_SOCKET, SO_REUSEPORT},
#endif
    {"broadcast", SOL_SOCKET, SO_BROADCAST},
    {"dontroute", SOL_SOCKET, SO_DONTROUTE},
    {"recv-buffer-size", SOL_SOCKET, SO_RCVBUF},
    {"send-buffer-size", SOL_SOCKET, SO_SNDBUF},
    {"error", SOL_SOCKET, SO_ERROR},
    {"tcp-nodelay", IPPROTO_TCP, TCP_NODELAY},
#ifdef TCP_KEEPIDLE
    {"tcp-keepidle", IPPROTO_TCP, TCP_KEEPIDLE},
#endif
#ifdef TCP_KEEPCNT
    {"tcp-keepcnt", IPPROTO_TCP, TCP_KEEPCNT},
    {"tcp-keepintvl", IPPROTO_TCP, TCP_KEEPINTVL},
#endif
#ifdef TCP_DEFER_ACCEPT
    {"tcp-defer-accept", IPPROTO_TCP, TCP_DEFER_ACCEPT},
#endif
#ifdef TCP_FASTOPEN
    {"tcp-fastopen", IPPROTO_TCP, TCP_FASTOPEN},
#endif
#ifdef TCP_FASTOPEN_CONNECT
    {"tcp-fastopen-connect", IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
#endif
    {"ip-multicast-ttl", IPPROTO_IP, IP_MULTICAST_TTL},
    {"ip-multicast-loop", IPPROTO_IP, IP_MULTICAST_LOOP},
    {"ipv6-v6only", IPPROTO_IPV6, IPV6_V6ONLY},
    {"ipv6-unicast-hops", IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    {"ipv6-multicast-hops", IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
    {"ipv6-multicast-loop", IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
};

/* Returns the index of an option, or -1. */
static int socket_options_find(const char *name) {
    for (int i = 0; i < (int)(sizeof options / sizeof *options); i++)
        if (strcmp(options[i].name, name) == 0) return i;
    return -1;
}

int socket_options_get(int fd, const char *name, int *value) {
    int i = socket_options_find(name);
    *value = 0;
    return i < 0 ? UV_ENOPROTOOPT
                 : socket_get_raw(fd, options[i].level, options[i].number, value, sizeof *value);
}

int socket_options_set(int fd, const char *name, int value) {
    int i = socket_options_find(name);
    return i < 0 ? UV_ENOPROTOOPT
                 : socket_set_raw(fd, options[i].level, options[i].number, &value, sizeof value);
}

int socket_options_get_linger(int fd, int *on, int *seconds) {
    struct linger linger = {0};
    int status = socket_get_raw(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    *on = linger.l_onoff;
    *seconds = linger.l_linger;
    return status;
}

/* The members of the struct are shorter on Windows. */
int socket_options_set_linger(int fd, int on, int seconds) {
    struct linger linger = {0};
    linger.l_onoff = on != 0;
    linger.l_linger = seconds;
    return socket_set_raw(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}
