/*
** Owns the system calls on sockets of Windows. A SOCKET is a handle, of which only 32
** bits are used: it stands for the descriptor.
*/
#include "base/platform.h"

#include "system/socket.h"

#include <iphlpapi.h>
#include <mswsock.h>
#include <mstcpip.h>
#include <stdlib.h>
#include <string.h>

/* --- statuses --- */

/*
** Some are none of libuv's. An error that a connection has ended with has the code that
** other systems have for it.
*/
static int socket_to_status(int error) {
    switch (error) {
    case WSAECONNABORTED:
        return UV_ECONNRESET;
    case WSAEDESTADDRREQ:
        return UV_EDESTADDRREQ;
    case WSAEHOSTDOWN:
        return UV_EHOSTUNREACH;
    case WSAENETDOWN:
        return UV_ENETDOWN;
    case WSAENETRESET: /* no answer to keepalive's probes, or a datagram whose time to live has ended */
        return UV_ETIMEDOUT;
    case WSAENOPROTOOPT:
        return UV_ENOPROTOOPT;
    case WSAEOPNOTSUPP:
        return UV_ENOTSUP;
    default:
        return uv_translate_sys_error(error);
    }
}

static int socket_failure(void) {
    return socket_to_status(WSAGetLastError());
}

static int socket_status(int result) {
    return result == 0 ? 0 : socket_failure();
}

static ptrdiff_t socket_count(ptrdiff_t count) {
    return count >= 0 ? count : socket_failure();
}

int socket_get_raw(int fd, int level, int number, void *value, size_t size) {
    int room = (int)size;
    return socket_status(getsockopt((SOCKET)fd, level, number, value, &room));
}

int socket_set_raw(int fd, int level, int number, const void *value, size_t size) {
    return socket_status(setsockopt((SOCKET)fd, level, number, value, (int)size));
}

static int socket_set_integer(int fd, int level, int name, int value) {
    return socket_set_raw(fd, level, name, &value, sizeof value);
}

static int socket_get_integer(int fd, int level, int name, int *value) {
    *value = 0;
    return socket_get_raw(fd, level, name, value, sizeof *value);
}

static bool socket_is_stream(int fd) {
    int type;
    return socket_get_integer(fd, SOL_SOCKET, SO_TYPE, &type) == 0 && type == SOCK_STREAM;
}

/* --- opening and closing --- */

int socket_prepare(int fd) {
    u_long yes = 1;
    SetHandleInformation((HANDLE)(intptr_t)fd, HANDLE_FLAG_INHERIT, 0);
    return socket_status(ioctlsocket((SOCKET)fd, (long)FIONBIO, &yes));
}

/* Returns the descriptor set up, or closes it. */
static int socket_set_up(SOCKET made) {
    if (made == INVALID_SOCKET) return socket_failure();
    int status = socket_prepare((int)made);
    if (status == 0) return (int)made;
    closesocket(made);
    return status;
}

#ifndef SIO_UDP_NETRESET
#define SIO_UDP_NETRESET _WSAIOW(IOC_VENDOR, 15)
#endif

/* Whether a receive fails if a datagram that was sent before has not arrived. */
static void socket_report_refusals(int fd, BOOL reports) {
    DWORD none;
    WSAIoctl((SOCKET)fd, SIO_UDP_CONNRESET, &reports, sizeof reports, NULL, 0, &none, NULL, NULL);
    WSAIoctl((SOCKET)fd, SIO_UDP_NETRESET, &reports, sizeof reports, NULL, 0, &none, NULL, NULL);
}

int socket_open(int family, int type) {
    if (family == AF_UNIX && type == SOCK_DGRAM) return UV_ENOTSUP;
    int fd = socket_set_up(
        WSASocketW(family, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT));
    if (fd >= 0 && type == SOCK_DGRAM) socket_report_refusals(fd, FALSE);
    return fd;
}

int socket_copy(int fd) {
    WSAPROTOCOL_INFOW info;
    if (WSADuplicateSocketW((SOCKET)fd, GetCurrentProcessId(), &info) != 0) return socket_failure();
    return socket_set_up(WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
                                    &info, 0, WSA_FLAG_OVERLAPPED));
}

void socket_close(int fd) {
    closesocket((SOCKET)fd);
}

void socket_abort(int fd) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt((SOCKET)fd, SOL_SOCKET, SO_LINGER, (const char *)&at_once, sizeof at_once);
    closesocket((SOCKET)fd);
}

/*
** Without this another process could take the port of a socket that is bound. The port
** of a listener that was closed can be had again at once, unlike on other systems.
*/
int socket_bind(int fd, const Address *address) {
    int is_shared;
    socket_get_integer(fd, SOL_SOCKET, SO_REUSEADDR, &is_shared);
    if (!is_shared) socket_set_integer(fd, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
    return socket_status(bind((SOCKET)fd, &address->any, address_size(address)));
}

int socket_listen(int fd, int backlog) {
    return socket_status(listen((SOCKET)fd, backlog));
}

/* A connection that was aborted before it was accepted has a code of its own elsewhere. */
int socket_accept(int fd, Address *peer) {
    int size = sizeof *peer;
    int accepted = socket_set_up(accept((SOCKET)fd, &peer->any, &size));
    return accepted == UV_ECONNRESET ? UV_ECONNABORTED : accepted;
}

int socket_connect(int fd, const Address *address) {
    if (!socket_is_stream(fd)) socket_report_refusals(fd, TRUE);
    return socket_status(connect((SOCKET)fd, &address->any, address_size(address)));
}

int socket_connected(int fd) {
    int error;
    int status = socket_get_integer(fd, SOL_SOCKET, SO_ERROR, &error);
    return status != 0 || error == 0 ? status : socket_to_status(error);
}

/* --- streams --- */

static int socket_size(size_t size) {
    return size < INT_MAX ? (int)size : INT_MAX;
}

ptrdiff_t socket_read(int fd, char *data, size_t size) {
    return socket_count(recv((SOCKET)fd, data, socket_size(size), 0));
}

ptrdiff_t socket_read_unix(int fd, char *data, size_t size) {
    return socket_read(fd, data, size);
}

/* libuv's buffers are laid out as WSABUFs. */
ptrdiff_t socket_write(int fd, const uv_buf_t *parts, unsigned count) {
    DWORD written = 0;
    int result = WSASend((SOCKET)fd, (WSABUF *)parts, count, &written, 0, NULL, NULL);
    return result == 0 ? (ptrdiff_t)written : socket_failure();
}

int socket_end(int fd) {
    return socket_status(shutdown((SOCKET)fd, SD_SEND));
}

void socket_make_room(int fd) {
    int size;
    if (socket_get_integer(fd, SOL_SOCKET, SO_SNDBUF, &size) == 0 && size < INT_MAX / 2)
        socket_set_integer(fd, SOL_SOCKET, SO_SNDBUF, 2 * size);
}

int socket_remote_address(int fd, Address *address) {
    int size = sizeof *address;
    return socket_status(getpeername((SOCKET)fd, &address->any, &size));
}

bool socket_is_writable(int fd) {
    WSAPOLLFD asked = {.fd = (SOCKET)fd, .events = POLLWRNORM};
    return WSAPoll(&asked, 1, 0) == 1 && (asked.revents & POLLWRNORM) != 0;
}

bool socket_is_readable(int fd) {
    WSAPOLLFD asked = {.fd = (SOCKET)fd, .events = POLLRDNORM};
    return WSAPoll(&asked, 1, 0) == 1;
}

/* --- Unix sockets: streams only --- */

int socket_bind_unix(int fd, const UnixAddress *name) {
    return socket_status(bind((SOCKET)fd, (const struct sockaddr *)&name->address, name->size));
}

int socket_connect_unix(int fd, const UnixAddress *name) {
    return socket_status(connect((SOCKET)fd, (const struct sockaddr *)&name->address, name->size));
}

ptrdiff_t socket_recv_unix(int fd, char *data, size_t size, UnixAddress *from) {
    (void)fd, (void)data, (void)size, (void)from;
    return UV_ENOTSUP;
}

ptrdiff_t socket_next_size_unix(int fd) {
    (void)fd;
    return UV_ENOTSUP;
}

ptrdiff_t socket_send_unix(int fd, const char *data, size_t size, const UnixAddress *to) {
    (void)fd, (void)data, (void)size, (void)to;
    return UV_ENOTSUP;
}

int socket_local_unix(int fd, UnixAddress *name) {
    name->size = sizeof name->address;
    return socket_status(getsockname((SOCKET)fd, (struct sockaddr *)&name->address, &name->size));
}

int socket_remote_unix(int fd, UnixAddress *name) {
    name->size = sizeof name->address;
    return socket_status(getpeername((SOCKET)fd, (struct sockaddr *)&name->address, &name->size));
}

int socket_credentials(int fd, SocketCredentials *peer) {
    (void)fd, (void)peer;
    return UV_ENOTSUP;
}

/* --- options --- */

/* Seconds of silence, and then a probe each second. */
static int socket_set_keepalive(int fd, int seconds) {
    struct tcp_keepalive request = {.onoff = seconds > 0,
                                    .keepalivetime = (ULONG)seconds * 1000,
                                    .keepaliveinterval = 1000};
    DWORD none;
    return socket_status(WSAIoctl((SOCKET)fd, SIO_KEEPALIVE_VALS, &request, sizeof request, NULL, 0,
                                  &none, NULL, NULL));
}

/* For a stream, socket_bind does what SO_REUSEADDR is for elsewhere; here that would share the port. */
static int socket_set_reuse(int fd, int value) {
    return socket_is_stream(fd) ? 0 : socket_set_integer(fd, SOL_SOCKET, SO_REUSEADDR, value);
}

int socket_set(int fd, SocketOption option, int value) {
    switch (option) {
    case SOCKET_NODELAY:
        return socket_set_integer(fd, IPPROTO_TCP, TCP_NODELAY, value);
    case SOCKET_KEEPALIVE:
        return socket_set_keepalive(fd, value);
    case SOCKET_SEND_BUFFER:
        return socket_set_integer(fd, SOL_SOCKET, SO_SNDBUF, value);
    case SOCKET_RECV_BUFFER:
        return socket_set_integer(fd, SOL_SOCKET, SO_RCVBUF, value);
    case SOCKET_REUSEADDR:
        return socket_set_reuse(fd, value);
    case SOCKET_REUSEPORT:
        return UV_ENOTSUP;
    case SOCKET_IPV6ONLY:
        return socket_set_integer(fd, IPPROTO_IPV6, IPV6_V6ONLY, value);
    }
    return UV_EINVAL;
}

/* --- sockets that were opened elsewhere --- */

int socket_examine(int fd, SocketFacts *facts) {
    WSAPROTOCOL_INFOW protocol;
    int size = sizeof protocol, listens;
    int status = socket_status(
        getsockopt((SOCKET)fd, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&protocol, &size));
    if (status != 0) return status;
    socket_get_integer(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens);
    *facts = (SocketFacts){.family = protocol.iAddressFamily,
                           .type = protocol.iSocketType,
                           .listens = listens != 0};
    return 0;
}

/* --- datagrams --- */

/* The system reports a refused datagram as a reset. */
static ptrdiff_t socket_datagram_count(int count) {
    ptrdiff_t result = socket_count(count);
    return result == UV_ECONNRESET ? UV_ECONNREFUSED : result;
}

ptrdiff_t socket_send(int fd, const char *data, size_t size, const Address *to) {
    int length = socket_size(size);
    return socket_datagram_count(
        to == NULL ? send((SOCKET)fd, data, length, 0)
                   : sendto((SOCKET)fd, data, length, 0, &to->any, address_size(to)));
}

uint64_t socket_dropped(int fd) {
    (void)fd;
    return 0;
}

int socket_set_multicast_interface(int fd, unsigned interface_index) {
    return socket_set_integer(fd, IPPROTO_IP, IP_MULTICAST_IF, (int)htonl(interface_index));
}

/* An interface is given to IPv4 by its index as an address of 0.0.0.0/8. */
static int socket_set_member_v4(int fd, const Address *group, unsigned interface_index,
                                bool member) {
    struct ip_mreq request = {.imr_multiaddr = group->v4.sin_addr,
                              .imr_interface.s_addr = htonl(interface_index)};
    int name = member ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP;
    return socket_status(
        setsockopt((SOCKET)fd, IPPROTO_IP, name, (const char *)&request, sizeof request));
}

int socket_set_member(int fd, const Address *group, unsigned interface_index, bool member) {
    struct ipv6_mreq request = {.ipv6mr_multiaddr = group->v6.sin6_addr,
                                .ipv6mr_interface = interface_index};
    if (group->any.sa_family == AF_INET)
        return socket_set_member_v4(fd, group, interface_index, member);
    int name = member ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP;
    return socket_status(
        setsockopt((SOCKET)fd, IPPROTO_IPV6, name, (const char *)&request, sizeof request));
}

/* --- interfaces --- */

static bool socket_interface_has(const IP_ADAPTER_ADDRESSES *adapter, const Address *address) {
    Address own;
    for (const IP_ADAPTER_UNICAST_ADDRESS *each = adapter->FirstUnicastAddress; each != NULL;
         each = each->Next) {
        address_from(&own, each->Address.lpSockaddr);
        if (address_same_host(&own, address)) return true;
    }
    return false;
}

static unsigned socket_interface_of(const IP_ADAPTER_ADDRESSES *all, const Address *address) {
    for (const IP_ADAPTER_ADDRESSES *each = all; each != NULL; each = each->Next)
        if (socket_interface_has(each, address))
            return each->IfIndex != 0 ? each->IfIndex : each->Ipv6IfIndex;
    return 0;
}

unsigned socket_interface_index(const char *name) {
    Address address;
    ULONG size = 0;
    unsigned index = if_nametoindex(name);
    if (index != 0 || !address_parse(&address, name, 0)) return index;
    if (GetAdaptersAddresses(AF_UNSPEC, 0, NULL, NULL, &size) != ERROR_BUFFER_OVERFLOW) return 0;
    IP_ADAPTER_ADDRESSES *all = malloc(size);
    if (all != NULL && GetAdaptersAddresses(AF_UNSPEC, 0, NULL, all, &size) == NO_ERROR)
        index = socket_interface_of(all, &address);
    free(all);
    return index;
}
