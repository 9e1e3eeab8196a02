/*
** The module arsenal.core: one table for a Lua state, filled by every file's
** opener, however often it is required. The top of the C layers.
*/
#include "base/platform.h"

#include "kernel/coroutine.h"
#include "net/datagram.h"
#include "base/error.h"
#include "task/group.h"
#include "task/timeout.h"
#include "net/listener.h"
#include "kernel/task_result.h"
#include "openers.h"
#include "event/run.h"
#include "debug/watchdog.h"
#include "stream/stream.h"
#include "kernel/task.h"

#include <lauxlib.h>
#ifndef _WIN32
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#endif

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
static void prepare_process(void) {}
#else
#define EXPORT __attribute__((visibility("default")))

/* libuv aborts without descriptors 0 to 2, and a write to a dead peer must not kill the process. */
static void prepare_process(void) {
    struct sigaction action;
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) close(fd);
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}
#endif

static void (*const openers[])(lua_State *L) = {
    error_open,    watchdog_open, loop_open,    handle_open,    scope_open,         task_open,
    outcome_open,  timeout_open,  group_open,   run_open,       stream_open,        listener_open,
    tcp_open,      dns_open,      fd_wait_open, coroutine_open, idle_streams_open,  inspect_open,
    copy_open,     channel_open,  event_open,   lock_open,      select_open,        unix_open,
    datagram_open, udp_open,      signal_open,  start_tls_open, accept_filter_open, adopt_open,
};

EXPORT int luaopen_arsenal_core(lua_State *L) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, CORE_KEY) == LUA_TTABLE) return 1;
    prepare_process();
    lua_newtable(L);
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++)
        openers[i](L);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, CORE_KEY);
    return 1;
}
