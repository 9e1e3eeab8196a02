/*
** The module arsenal.core: one table for a Lua state, filled by every file's
** opener, however often it is required. The C layers end here.
*/
#include "base/platform.h"

#include "base/error.h"
#include "base/error_object.h"
#include "base/module_pin.h"
#include "base/openers.h"
#include "debug/watchdog.h"
#include "event/poller.h"
#include "event/run.h"
#include "event/turn.h"
#include "event/inbox.h"
#include "kernel/coroutine.h"
#include "kernel/scope_guard.h"
#include "kernel/start.h"
#include "net/adopt.h"
#include "net/datagram.h"
#include "net/listener.h"
#include "object/handle.h"
#include "stream/start_tls.h"
#include "stream/stream.h"
#include "sync/event.h"
#include "task/group.h"
#include "task/tasklib.h"
#include "task/timeout.h"

#include <lauxlib.h>
#ifndef _WIN32
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#endif

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
static void core_prepare_process(void) {}
#else
#define EXPORT __attribute__((visibility("default")))

/* libuv aborts without descriptors 0 to 2. */
static void core_fill_standard_descriptors(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) close(fd);
}

static void core_do_nothing(int number) {
    (void)number;
}

/*
** A write to a peer that is gone must not end the process. Children do not inherit a
** handler, unlike SIG_IGN.
*/
static void core_handle_sigpipe(void) {
    struct sigaction before, action = {.sa_handler = core_do_nothing, .sa_flags = SA_RESTART};
    if (sigaction(SIGPIPE, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        sigaction(SIGPIPE, &action, NULL);
}

static void core_prepare_process(void) {
    core_fill_standard_descriptors();
    core_handle_sigpipe();
}
#endif

/* By folder, each of which begins a line; the first three make what the others need. */
// clang-format off
static void (*const openers[])(lua_State *L) = {
    loop_add_scratch, poller_open, inbox_open,
    table_open, error_open,
    scope_guard_open, coroutine_open,
    turn_open, run_open, exit_open,
    handle_open,
    tasklib_open, timeout_open, group_open,
    channel_open, event_open, future_open, ticker_open, lock_open, select_open,
    stream_open, receive_open, readable_open, send_open, copy_open, start_tls_open, cosocket_open,
    luasocket_open, input_open,
    listener_open, accept_filter_open, idle_streams_open, tcp_open, unix_open, datagram_open,
    udp_open, unix_datagram_open, dns_open, adopt_open, passing_open, bare_socket_open, host_open,
    socket_wait_open,
    signal_open, fd_wait_open, process_open, process_start_open, file_life_open, file_calls_open,
    fs_path_open, fs_read_open, fs_write_open, send_file_open, file_watch_open, standard_stream_open,
    worker_open, blocking_open, move_stream_open, move_datagram_open, share_listener_open,
    shared_channel_open,
    inspect_open, notice_open, watchdog_open,
};
// clang-format on

static uv_once_t once = UV_ONCE_INIT;
static const char open_key; /* registry: true once all openers were called */

static void core_prepare_once(void) {
    module_pin(&open_key);
    core_prepare_process();
}

EXPORT int luaopen_arsenal_core(lua_State *L) {
    luaL_checkversion(L);
    kernel_start(L);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &open_key) != LUA_TNIL) {
        lua_pop(L, 1);
        return 1;
    }
    lua_pop(L, 1);
    uv_once(&once, core_prepare_once);
    lua_pushcfunction(L, luaopen_arsenal_core); /* what workers open in their states */
    lua_setfield(L, -2, "open_core");
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++)
        openers[i](L);
    lua_pushboolean(L, true);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &open_key);
    return 1;
}
