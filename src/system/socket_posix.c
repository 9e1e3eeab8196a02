/*
** Owns the system calls on sockets of POSIX systems.
*/
#include "base/platform.h"

#include "system/socket.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifdef __APPLE__
#define TCP_KEEPIDLE TCP_KEEPALIVE
#endif

#ifdef __linux__
#include <linux/sock_diag.h>
#endif

/*
** Where no flag of send does it (MSG_NOSIGNAL). It fails for a socket that both sides have
** ended, which is no harm.
*/
static void socket_raise_no_signal(int fd) {
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
    (void)fd;
}

#ifdef __linux__

int socket_open(int family, int type) {
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd >= 0 ? fd : -errno;
}

static int socket_accept_once(int fd, struct sockaddr *peer, socklen_t *size) {
    return accept4(fd, peer, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

#else /* untested */

/* Returns the descriptor set up, or closes it. */
static int socket_set_up(int fd) {
    if (fd < 0) return -errno;
    socket_raise_no_signal(fd);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) return fd;
    int status = -errno;
    close(fd);
    return status;
}

int socket_open(int family, int type) {
    return socket_set_up(socket(family, type, 0));
}

static int socket_accept_once(int fd, struct sockaddr *peer, socklen_t *size) {
    int accepted = socket_set_up(accept(fd, peer, size));
    if (accepted < 0) errno = -accepted;
    return accepted;
}

#endif

int socket_copy(int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy >= 0 ? copy : -errno;
}

/* The status of a call that returns 0 on success. */
static int socket_status(int result) {
    return result == 0 ? 0 : -errno;
}

/* The status of a call that returns a count or a descriptor. */
static ptrdiff_t socket_count(ptrdiff_t count) {
    if (count >= 0) return count;
    return errno == EWOULDBLOCK ? UV_EAGAIN : -errno;
}

void socket_close(int fd) {
    close(fd); /* not again after EINTR: the descriptor is closed on Linux and macOS then, too */
}

void socket_abort(int fd) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

int socket_bind(int fd, const Address *address) {
    return socket_status(bind(fd, &address->any, address_size(address)));
}

int socket_listen(int fd, int backlog) {
    return socket_status(listen(fd, backlog));
}

int socket_accept(int fd, Address *peer) {
    socklen_t size = sizeof *peer;
    int accepted;
    RETRY_ON_EINTR(accepted = socket_accept_once(fd, &peer->any, &size));
    return (int)socket_count(accepted);
}

int socket_connect(int fd, const Address *address) {
    if (connect(fd, &address->any, address_size(address)) == 0) return 0;
    return errno == EINPROGRESS || errno == EINTR ? UV_EAGAIN : -errno;
}

int socket_connected(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? -error : -errno;
}

/*
** Stream sockets are read and written with MSG_DONTWAIT: a child whose input or output one
** is makes it blocking.
*/
ptrdiff_t socket_read(int fd, char *data, size_t size) {
    ssize_t count;
    RETRY_ON_EINTR(count = recv(fd, data, size, MSG_DONTWAIT));
    return socket_count(count);
}

/* One message at most if it brings anything besides bytes, such as descriptors: *stopped. */
static ptrdiff_t socket_read_message(int fd, char *data, size_t size, bool *stopped) {
    struct iovec part = {data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1}; /* no room for descriptors */
    ssize_t count;
    RETRY_ON_EINTR(count = recvmsg(fd, &message, MSG_DONTWAIT));
    *stopped = (message.msg_flags & MSG_CTRUNC) != 0;
    return socket_count(count);
}

static bool socket_has_unread(int fd) {
    int unread = 0;
    return ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;
}

ptrdiff_t socket_read_unix(int fd, char *data, size_t size) {
    size_t total = 0;
    bool stopped;
    do {
        ptrdiff_t count = socket_read_message(fd, data + total, size - total, &stopped);
        if (count <= 0) return total > 0 ? (ptrdiff_t)total : count;
        total += (size_t)count;
    } while (stopped && total < size && socket_has_unread(fd));
    return (ptrdiff_t)total;
}

/* libuv's buffers are laid out as iovecs. send and recv are cheaper than write and read. */
ptrdiff_t socket_write(int fd, const uv_buf_t *parts, unsigned count) {
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
    ssize_t written;
    RETRY_ON_EINTR(written = count == 1 ? send(fd, parts->base, parts->len, flags)
                                        : sendmsg(fd, &message, flags));
    return socket_count(written);
}

int socket_end(int fd) {
    return socket_status(shutdown(fd, SHUT_WR));
}

void socket_make_room(int fd) {
    int size = 0;
    socklen_t length = sizeof size;
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, length); /* Linux doubles the number */
}

int socket_remote_address(int fd, Address *address) {
    socklen_t size = sizeof *address;
    return socket_status(getpeername(fd, &address->any, &size));
}

int socket_bind_unix(int fd, const UnixAddress *name) {
    return socket_status(bind(fd, (const struct sockaddr *)&name->address, name->size));
}

int socket_connect_unix(int fd, const UnixAddress *name) {
    return socket_status(connect(fd, (const struct sockaddr *)&name->address, name->size));
}

#ifdef __linux__

ptrdiff_t socket_recv_unix(int fd, char *data, size_t size, UnixAddress *from) {
    ssize_t count;
    from->size = sizeof from->address;
    RETRY_ON_EINTR(count = recvfrom(fd, data, size, MSG_TRUNC, (struct sockaddr *)&from->address,
                                    &from->size));
    return socket_count(count);
}

#else /* untested */

ptrdiff_t socket_recv_unix(int fd, char *data, size_t size, UnixAddress *from) {
    struct iovec part = {data, size};
    struct msghdr message = {.msg_name = &from->address,
                             .msg_namelen = sizeof from->address,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    ssize_t count;
    RETRY_ON_EINTR(count = recvmsg(fd, &message, 0));
    from->size = message.msg_namelen;
    return socket_count(count >= 0 && (message.msg_flags & MSG_TRUNC) ? count + 1 : count);
}

#endif

ptrdiff_t socket_next_size_unix(int fd) {
    char byte;
    ssize_t count;
    RETRY_ON_EINTR(count = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_TRUNC));
    return socket_count(count);
}

ptrdiff_t socket_send_unix(int fd, const char *data, size_t size, const UnixAddress *to) {
    ssize_t sent;
    RETRY_ON_EINTR(sent =
                       sendto(fd, data, size, 0, (const struct sockaddr *)&to->address, to->size));
    return socket_count(sent);
}

bool socket_is_writable(int fd) {
    struct pollfd asked = {.fd = fd, .events = POLLOUT};
    return poll(&asked, 1, 0) == 1 && (asked.revents & POLLOUT) != 0;
}

bool socket_is_readable(int fd) {
    struct pollfd asked = {.fd = fd, .events = POLLIN};
    return poll(&asked, 1, 0) == 1;
}

int socket_local_unix(int fd, UnixAddress *name) {
    name->size = sizeof name->address;
    return socket_status(getsockname(fd, (struct sockaddr *)&name->address, &name->size));
}

int socket_remote_unix(int fd, UnixAddress *name) {
    name->size = sizeof name->address;
    return socket_status(getpeername(fd, (struct sockaddr *)&name->address, &name->size));
}

#ifdef __linux__

int socket_credentials(int fd, SocketCredentials *peer) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -errno;
    if (credentials.uid == (uid_t)-1) return UV_ENOTSUP; /* not a Unix stream, or not connected */
    *peer = (SocketCredentials){credentials.pid, credentials.uid, credentials.gid};
    return 0;
}

#else /* untested */

/* 0 where the system does not tell. */
static pid_t socket_peer_process(int fd) {
    pid_t process = 0;
#ifdef LOCAL_PEERPID
    socklen_t size = sizeof process;
    getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &process, &size);
#endif
    (void)fd;
    return process;
}

int socket_credentials(int fd, SocketCredentials *peer) {
    uid_t user;
    gid_t group;
    if (getpeereid(fd, &user, &group) != 0) return -errno;
    *peer = (SocketCredentials){socket_peer_process(fd), user, group};
    return 0;
}

#endif

int socket_get_raw(int fd, int level, int number, void *value, size_t size) {
    socklen_t room = (socklen_t)size;
    return socket_status(getsockopt(fd, level, number, value, &room));
}

int socket_set_raw(int fd, int level, int number, const void *value, size_t size) {
    return socket_status(setsockopt(fd, level, number, value, (socklen_t)size));
}

static int socket_set_integer(int fd, int level, int name, int value) {
    return socket_set_raw(fd, level, name, &value, sizeof value);
}

static int socket_set_keepalive(int fd, int seconds) {
    int status = socket_set_integer(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0);
    if (status == 0 && seconds > 0)
        status = socket_set_integer(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    return status;
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
        return socket_set_integer(fd, SOL_SOCKET, SO_REUSEADDR, value);
    case SOCKET_REUSEPORT:
        return socket_set_integer(fd, SOL_SOCKET, SO_REUSEPORT, value);
    case SOCKET_IPV6ONLY:
        return socket_set_integer(fd, IPPROTO_IPV6, IPV6_V6ONLY, value);
    }
    return UV_EINVAL;
}

/* --- sockets that were opened elsewhere --- */

int socket_examine(int fd, SocketFacts *facts) {
    UnixAddress name = {0};
    int listens = 0;
    socklen_t size = sizeof facts->type;
    int status = socket_local_unix(fd, &name);
    if (status != 0) return status;
    status = socket_status(getsockopt(fd, SOL_SOCKET, SO_TYPE, &facts->type, &size));
    if (status != 0) return status;
    size = sizeof listens;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    facts->family = name.address.sun_family;
    facts->listens = listens != 0;
    return 0;
}

int socket_prepare(int fd) {
    socket_raise_no_signal(fd);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
    return socket_status(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

/* --- datagrams --- */

ptrdiff_t socket_send(int fd, const char *data, size_t size, const Address *to) {
    ssize_t sent;
    RETRY_ON_EINTR(sent = to == NULL ? send(fd, data, size, 0)
                                     : sendto(fd, data, size, 0, &to->any, address_size(to)));
    return socket_count(sent);
}

#ifdef SO_MEMINFO

uint64_t socket_dropped(int fd) {
    unsigned info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof info;
    return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}

#else

uint64_t socket_dropped(int fd) {
    (void)fd;
    return 0;
}

#endif

int socket_set_multicast_interface(int fd, unsigned interface_index) {
    struct ip_mreqn request = {.imr_ifindex = (int)interface_index};
    return socket_set_raw(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
}

/* By default Linux gives a socket also the datagrams of groups that other sockets have joined. */
static void socket_set_own_groups_only(int fd) {
#ifdef IP_MULTICAST_ALL
    socket_set_integer(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
#endif
#ifdef IPV6_MULTICAST_ALL
    socket_set_integer(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
#endif
    (void)fd;
}

int socket_set_member(int fd, const Address *group, unsigned interface_index, bool member) {
    struct group_req request = {.gr_interface = interface_index};
    int level = group->any.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    socket_set_own_groups_only(fd);
    memcpy(&request.gr_group, group, address_size(group));
    int name = member ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP;
    return socket_status(setsockopt(fd, level, name, &request, sizeof request));
}

static bool socket_interface_has(const struct ifaddrs *each, const Address *address) {
    Address own;
    if (each->ifa_addr == NULL || each->ifa_addr->sa_family != address->any.sa_family) return false;
    address_from(&own, each->ifa_addr);
    return address_same_host(&own, address);
}

unsigned socket_interface_index(const char *name) {
    Address address;
    struct ifaddrs *all;
    unsigned index = if_nametoindex(name);
    if (index != 0 || !address_parse(&address, name, 0) || getifaddrs(&all) != 0) return index;
    for (const struct ifaddrs *each = all; each != NULL && index == 0; each = each->ifa_next)
        if (socket_interface_has(each, &address)) index = if_nametoindex(each->ifa_name);
    freeifaddrs(all);
    return index;
}
