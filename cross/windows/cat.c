/*
** The program cat, which copies its input to its output, for Windows: specs start it.
*/
#include <fcntl.h>
#include <io.h>

int main(void) {
    char data[65536];
    int size;
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    while ((size = _read(0, data, sizeof data)) > 0)
        if (_write(1, data, (unsigned)size) != size) return 1;
    return size != 0;
}
