/*
** Options of datagram sockets that IPv4 and IPv6 have both, each by numbers of its own.
*/
#ifndef ARSENAL_SYSTEM_DATAGRAM_OPTIONS_H
#define ARSENAL_SYSTEM_DATAGRAM_OPTIONS_H

typedef enum DatagramOption {
    DATAGRAM_BROADCAST,
    DATAGRAM_TTL,
    DATAGRAM_MULTICAST_TTL,
    DATAGRAM_MULTICAST_LOOP,
    DATAGRAM_MULTICAST_INTERFACE, /* the index of a network interface */
} DatagramOption;

int datagram_options_set(int fd, int family, DatagramOption option, int value); /* 0 or a status */

#endif
