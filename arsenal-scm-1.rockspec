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
    TCP streams, time limits, cancellation and tasks for Lua 5.4, on libuv. A program is written as
    if every call blocked; ten thousand of them wait at once.
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
      sources = { -- src/*.c
        "src/address.c",
        "src/adopt.c",
        "src/args.c",
        "src/batch.c",
        "src/bytes.c",
        "src/channel.c",
        "src/copy.c",
        "src/core.c",
        "src/coroutine.c",
        "src/datagram.c",
        "src/descriptor.c",
        "src/dns.c",
        "src/endpoint.c",
        "src/error.c",
        "src/event.c",
        "src/fiber.c",
        "src/group.c",
        "src/handle.c",
        "src/handover.c",
        "src/interrupt.c",
        "src/limit.c",
        "src/listener.c",
        "src/lobby.c",
        "src/lock.c",
        "src/loop.c",
        "src/offload.c",
        "src/outcome.c",
        "src/poller.c",
        "src/poller_epoll.c",
        "src/poller_uv.c",
        "src/preparation.c",
        "src/quit.c",
        "src/receive.c",
        "src/run.c",
        "src/scope.c",
        "src/select.c",
        "src/send.c",
        "src/signal.c",
        "src/slow.c",
        "src/socket.c",
        "src/socket_file.c",
        "src/source.c",
        "src/splice.c",
        "src/stats.c",
        "src/stream.c",
        "src/task.c",
        "src/task_object.c",
        "src/tcp.c",
        "src/timers.c",
        "src/transport.c",
        "src/udp.c",
        "src/unix.c",
        "src/unix_name.c",
        "src/upgrade.c",
        "src/wakeup.c",
      },
      libraries = { "uv" },
      incdirs = { "$(UV_INCDIR)" },
      libdirs = { "$(UV_LIBDIR)" },
    },
    ["arsenal.openssl"] = {
      sources = { -- src/openssl/*.c
        "src/openssl/certificate.c",
        "src/openssl/context.c",
        "src/openssl/files.c",
        "src/openssl/names.c",
        "src/openssl/openssl.c",
        "src/openssl/records.c",
        "src/openssl/session.c",
        "src/openssl/wire.c",
        "src/openssl/words.c",
      },
      libraries = { "ssl", "crypto" },
      incdirs = { "$(OPENSSL_INCDIR)", "$(UV_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)" },
    },
    -- lua/
    ["arsenal.arguments"] = "lua/arsenal/arguments.lua",
    ["arsenal.dump"] = "lua/arsenal/dump.lua",
    ["arsenal.endpoint"] = "lua/arsenal/endpoint.lua",
    ["arsenal.group"] = "lua/arsenal/group.lua",
    ["arsenal.handover"] = "lua/arsenal/handover.lua",
    ["arsenal"] = "lua/arsenal/init.lua",
    ["arsenal.listener"] = "lua/arsenal/listener.lua",
    ["arsenal.pool"] = "lua/arsenal/pool.lua",
    ["arsenal.proxy"] = "lua/arsenal/proxy.lua",
    ["arsenal.stream"] = "lua/arsenal/stream.lua",
    ["arsenal.tcp"] = "lua/arsenal/tcp.lua",
    ["arsenal.tcp_options"] = "lua/arsenal/tcp_options.lua",
    ["arsenal.tls"] = "lua/arsenal/tls.lua",
    ["arsenal.types"] = "lua/arsenal/types.lua",
    ["arsenal.udp"] = "lua/arsenal/udp.lua",
    ["arsenal.unix"] = "lua/arsenal/unix.lua",
    -- end of lua/
  },
  platforms = {
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
