/* What libuv has since 1.44.0, for the headers of 1.40. The macro is that of src/base/platform.h. */
#define _GNU_SOURCE
#include <sched.h>

static inline unsigned uv_available_parallelism(void) {
    cpu_set_t usable;
    return sched_getaffinity(0, sizeof usable, &usable) == 0 ? (unsigned)CPU_COUNT(&usable) : 1;
}
