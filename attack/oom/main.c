/*
** make test-oom: lack of memory, at every allocation.
**
** A call for memory that fails makes Lua collect everything and ask again. So
** "lua-once" fails one call, and no more comes of it than a full collection;
** "lua" fails the second call, too, which is an error; "lua-long" goes on
** failing for a while, so that the cleaning-up fails as well.
*/
#include "kit/blocks.h"
#include "kit/memory.h"
#include "kit/sweep.h"

static const Fault faults[] = {
    {"lua-once", 1, memory_arm, memory_disarm},
    {"lua", 2, memory_arm, memory_disarm},
    {"lua-long", 24, memory_arm, memory_disarm},
    {"malloc", 1, blocks_arm, blocks_disarm},
    {"malloc-long", 8, blocks_arm, blocks_disarm},
    {"libraries", 1, blocks_arm_libraries, blocks_disarm},
    {NULL, 0, NULL, NULL},
};

static const char *const scripts[] = {
    "load",  "tasks", "timers",  "channels",    "select",   "groups", "generators", "tcp",
    "serve", "unix",  "udp",     "tls",         "copy",     "pool",   "processes",  "workers",
    "dns",   "files", "signals", "descriptors", "deadlock", "close",  NULL,
};

int main(int argc, char **argv) {
    static const Sweep sweep = {"test-oom", faults, scripts};
    return sweep_main(&sweep, argc, argv);
}
