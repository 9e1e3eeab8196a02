/*
** The program cat, which copies its input to its output, for Windows: specs start it, and
** give it sockets.
*/
#include <fcntl.h>
#include <io.h>
#include <winsock2.h>

enum { LITTLE = 4096 }; /* a socket that has room has as much */

/* Waits until the output has room, 5 ms at most. */
static int has_room(SOCKET output) {
    fd_set set;
    struct timeval limit = {0, 5000};
    FD_ZERO(&set);
    FD_SET(output, &set);
    return select(0, NULL, &set, NULL, &limit);
}

/*
** Wine does not always wake a program whose write waits for room. So this one writes only
** what needs no waiting.
*/
static int write_all(const char *data, int size) {
    while (size > 0) {
        int room = has_room((SOCKET)_get_osfhandle(1)), count = size < LITTLE ? size : LITTLE;
        if (room < 0 || (room > 0 && _write(1, data, (unsigned)count) != count)) return -1;
        if (room > 0) data += count, size -= count;
    }
    return 0;
}

int main(void) {
    static char data[65536];
    int size;
    WSADATA winsock;
    if (WSAStartup(MAKEWORD(2, 2), &winsock) != 0) return 1;
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    while ((size = _read(0, data, sizeof data)) > 0)
        if (write_all(data, size) < 0) return 1;
    return size != 0;
}
