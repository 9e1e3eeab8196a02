rockspec_format = "3.0"
package = "arsenal"
version = "scm-1"

source = {
  -- Stands in until the project has a public home; `luarocks make` does not read it.
  url = "git+https://example.org/arsenal.git",
}

description = {
  summary = "Network servers and clients in straight-line Lua",
  detailed = [[
    A module for network servers and clients, on libuv. Each connection has a task of its own, which is written as if
    every call blocked; ten thousand of them wait at once. It has TCP, TLS (OpenSSL 3), Unix and UDP sockets, lookup of
    names, time limits and cancellation, task groups, channels with select, locks, pools of connections, signals, and
    reports on the tasks of a running program. It has no HTTP and no drivers of databases, and a program runs on one
    core. The rock contains the documentation (docs/) and example programs (examples/).
  ]],
  license = "MIT",
  labels = { "network", "async", "coroutine", "server", "libuv" },
}

dependencies = {
  "lua >= 5.4, < 5.5",
}

external_dependencies = {
  UV = { header = "uv.h", library = "uv" },
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
  platforms = {
    -- LuaRocks looks for the static library first, and Homebrew may have the shared one only.
    macosx = { UV = { library = "libuv.dylib" }, OPENSSL = { library = "libssl.dylib" } },
  },
}

build = {
  type = "builtin",
  -- The lists of files are kept by `make rockspec`.
  modules = {
    ["arsenal.core"] = {
      sources = { -- C files of core
        "src/base/address.c",
        "src/base/args.c",
        "src/base/buffer.c",
        "src/base/error.c",
        "src/base/error_object.c",
        "src/base/module_pin.c",
        "src/base/timer_heap.c",
        "src/base/unix_address.c",
        "src/core.c",
        "src/debug/inspect.c",
        "src/debug/notice.c",
        "src/debug/watchdog.c",
        "src/event/exit.c",
        "src/event/inbox.c",
        "src/event/interrupt.c",
        "src/event/poller.c",
        "src/event/poller_epoll.c",
        "src/event/poller_uv.c",
        "src/event/quit.c",
        "src/event/run.c",
        "src/event/signal_watch.c",
        "src/event/thread_pool.c",
        "src/event/turn.c",
        "src/kernel/background.c",
        "src/kernel/cancellation.c",
        "src/kernel/coroutine.c",
        "src/kernel/loop.c",
        "src/kernel/public.c",
        "src/kernel/scope.c",
        "src/kernel/scope_guard.c",
        "src/kernel/task.c",
        "src/kernel/task_body.c",
        "src/kernel/task_describe.c",
        "src/kernel/task_object.c",
        "src/kernel/task_pool.c",
        "src/kernel/task_result.c",
        "src/kernel/traceback.c",
        "src/kernel/wait.c",
        "src/net/accept_filter.c",
        "src/net/adopt.c",
        "src/net/datagram.c",
        "src/net/dns.c",
        "src/net/idle_streams.c",
        "src/net/inet_args.c",
        "src/net/listener.c",
        "src/net/passing.c",
        "src/net/tcp.c",
        "src/net/udp.c",
        "src/net/udp_receive.c",
        "src/net/unix.c",
        "src/net/unix_args.c",
        "src/net/unix_datagram.c",
        "src/object/handle.c",
        "src/object/handoff.c",
        "src/object/selectable.c",
        "src/object/socket_handle.c",
        "src/os/fd_wait.c",
        "src/os/signal.c",
        "src/stream/copy.c",
        "src/stream/item.c",
        "src/stream/readable.c",
        "src/stream/receive.c",
        "src/stream/send.c",
        "src/stream/send_queue.c",
        "src/stream/start_tls.c",
        "src/stream/stream.c",
        "src/stream/stream_io.c",
        "src/stream/transport.c",
        "src/sync/channel.c",
        "src/sync/event.c",
        "src/sync/future.c",
        "src/sync/lock.c",
        "src/sync/select.c",
        "src/sync/ticker.c",
        "src/system/descriptor.c",
        "src/system/fd_passing.c",
        "src/system/recv_batch.c",
        "src/system/socket.c",
        "src/system/socket_name.c",
        "src/system/splice.c",
        "src/system/unix_socket_file.c",
        "src/task/group.c",
        "src/task/tasklib.c",
        "src/task/timeout.c",
      },
      libraries = { "uv" },
      incdirs = { "src", "$(UV_INCDIR)" },
      libdirs = { "$(UV_LIBDIR)" },
    },
    ["arsenal.openssl"] = {
      sources = { -- C files of openssl
        "src/base/module_pin.c",
        "src/openssl/cert_files.c",
        "src/openssl/cert_names.c",
        "src/openssl/context.c",
        "src/openssl/error_text.c",
        "src/openssl/fields.c",
        "src/openssl/handshake.c",
        "src/openssl/openssl.c",
        "src/openssl/peer_info.c",
        "src/openssl/record_budget.c",
        "src/openssl/server_name.c",
        "src/openssl/session.c",
        "src/openssl/session_object.c",
        "src/openssl/settings.c",
        "src/openssl/ticket_keys.c",
        "src/openssl/tls_transport.c",
        "src/openssl/wire.c",
      },
      libraries = { "ssl", "crypto" },
      incdirs = { "src", "$(OPENSSL_INCDIR)", "$(UV_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)" },
    },
    -- lua/
    ["arsenal.debug.dump"] = "lua/arsenal/debug/dump.lua",
    ["arsenal"] = "lua/arsenal/init.lua",
    ["arsenal.internal.arguments"] = "lua/arsenal/internal/arguments.lua",
    ["arsenal.internal.public_names"] = "lua/arsenal/internal/public_names.lua",
    ["arsenal.internal.time_limit"] = "lua/arsenal/internal/time_limit.lua",
    ["arsenal.meta.core"] = "lua/arsenal/meta/core.lua",
    ["arsenal.meta.debug"] = "lua/arsenal/meta/debug.lua",
    ["arsenal.meta.net"] = "lua/arsenal/meta/net.lua",
    ["arsenal.meta.os"] = "lua/arsenal/meta/os.lua",
    ["arsenal.meta.stream"] = "lua/arsenal/meta/stream.lua",
    ["arsenal.meta.sync"] = "lua/arsenal/meta/sync.lua",
    ["arsenal.meta.task"] = "lua/arsenal/meta/task.lua",
    ["arsenal.meta.tls"] = "lua/arsenal/meta/tls.lua",
    ["arsenal.net.endpoint"] = "lua/arsenal/net/endpoint.lua",
    ["arsenal.net.listener"] = "lua/arsenal/net/listener.lua",
    ["arsenal.net.pool"] = "lua/arsenal/net/pool.lua",
    ["arsenal.net.tcp"] = "lua/arsenal/net/tcp.lua",
    ["arsenal.net.tcp_options"] = "lua/arsenal/net/tcp_options.lua",
    ["arsenal.net.udp"] = "lua/arsenal/net/udp.lua",
    ["arsenal.net.unix"] = "lua/arsenal/net/unix.lua",
    ["arsenal.os.systemd"] = "lua/arsenal/os/systemd.lua",
    ["arsenal.stream.proxy"] = "lua/arsenal/stream/proxy.lua",
    ["arsenal.stream.stream"] = "lua/arsenal/stream/stream.lua",
    ["arsenal.sync.lock"] = "lua/arsenal/sync/lock.lua",
    ["arsenal.task.group"] = "lua/arsenal/task/group.lua",
    ["arsenal.task.main"] = "lua/arsenal/task/main.lua",
    ["arsenal.task.map"] = "lua/arsenal/task/map.lua",
    ["arsenal.task.report"] = "lua/arsenal/task/report.lua",
    ["arsenal.tls.client"] = "lua/arsenal/tls/client.lua",
    ["arsenal.tls.contexts"] = "lua/arsenal/tls/contexts.lua",
    ["arsenal.tls"] = "lua/arsenal/tls/init.lua",
    ["arsenal.tls.options"] = "lua/arsenal/tls/options.lua",
    ["arsenal.tls.server"] = "lua/arsenal/tls/server.lua",
    ["arsenal.tls.start_tls"] = "lua/arsenal/tls/start_tls.lua",
    -- end of lua/
  },
  copy_directories = { "docs", "examples" },
  -- What a program that uses arsenal copies into its folder, for the Lua language server.
  install = { conf = { [".luarc.json"] = "tools/luarc.json" } },
  platforms = {
    linux = {
      -- A rockspec has no way to pass the other flags for hardening that the Makefile has.
      modules = {
        ["arsenal.core"] = { defines = { "_FORTIFY_SOURCE=2" } },
        ["arsenal.openssl"] = { defines = { "_FORTIFY_SOURCE=2" } },
      },
    },
    windows = {
      modules = {
        ["arsenal.core"] = {
          defines = { "_WIN32_WINNT=0x0602" },
          -- what a static libuv needs of the system
          libraries = {
            "uv", "ws2_32", "iphlpapi", "psapi", "userenv", "user32", "advapi32", "dbghelp", "ole32", "shell32",
          },
        },
      },
    },
  },
}
