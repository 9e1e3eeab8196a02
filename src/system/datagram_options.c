/*
** Owns the numbers of these options.
*/
#include "base/platform.h"

#include "system/datagram_options.h"

#include "system/socket.h"

typedef struct OptionNumbers {
    int level, number;
} OptionNumbers;

static const OptionNumbers v4_options[] = {
    [DATAGRAM_BROADCAST] = {SOL_SOCKET, SO_BROADCAST},
    [DATAGRAM_TTL] = {IPPROTO_IP, IP_TTL},
    [DATAGRAM_MULTICAST_TTL] = {IPPROTO_IP, IP_MULTICAST_TTL},
    [DATAGRAM_MULTICAST_LOOP] = {IPPROTO_IP, IP_MULTICAST_LOOP},
};

static const OptionNumbers v6_options[] = {
    [DATAGRAM_BROADCAST] = {SOL_SOCKET, SO_BROADCAST},
    [DATAGRAM_TTL] = {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    [DATAGRAM_MULTICAST_TTL] = {IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
    [DATAGRAM_MULTICAST_LOOP] = {IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
    [DATAGRAM_MULTICAST_INTERFACE] = {IPPROTO_IPV6, IPV6_MULTICAST_IF},
};

static int datagram_options_set_one(int fd, const OptionNumbers *option, int value) {
    return socket_set_raw(fd, option->level, option->number, &value, sizeof value);
}

static int datagram_options_set_v4(int fd, DatagramOption option, int value) {
    if (option == DATAGRAM_MULTICAST_INTERFACE)
        return socket_set_multicast_interface(fd, (unsigned)value);
    return datagram_options_set_one(fd, &v4_options[option], value);
}

/* An IPv6 socket may serve IPv4 too, where the system lets it. */
int datagram_options_set(int fd, int family, DatagramOption option, int value) {
    int status = datagram_options_set_v4(fd, option, value);
    return family == AF_INET ? status : datagram_options_set_one(fd, &v6_options[option], value);
}
