/* Client sockets on the loopback interface. Their source addresses are spread over 127.0.1.1 to
** 127.0.32.1, so that the ports of closed connections, which the kernel keeps for a while, don't
** run out. */
#ifndef sockets_h
#define sockets_h

#include <stdbool.h>
#include <stdint.h>

void sockets_raise_limit(void); /* of open descriptors */

int socket_connect(int port, int type, int index);
void socket_set_blocking(int fd, bool blocking);
void socket_hello(int fd, uint64_t seed); /* sends one message and waits for its echo */

/* Opens n connections; each has had one message echoed, so the server has accepted them all. */
int *connections_open(int port, int n);
void connections_close(int *fds, int n);

#endif
