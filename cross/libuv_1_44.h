/* What libuv has since 1.44.0, for the headers of 1.40. The macro is that of src/base/platform.h. */
#define _GNU_SOURCE
#include <unistd.h>

static inline unsigned uv_available_parallelism(void) {
    return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}
