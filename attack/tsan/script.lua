-- What each thread runs in a Lua state of its own, at the same time as the others: (round, certificate).

local round, certificate = ...
local arsenal = require("arsenal")

arsenal.on_quit = function() end
arsenal.on_error = function() end

local function echo(stream)
  for line in stream:lines() do stream:send(line, "\n") end
end

local function ask(stream)
  local _ <close> = assert(stream)
  stream:set_timeout(10)
  stream:send("hello\n")
  stream:recv_line()
end

local function use_tcp(group)
  local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local _, port = listener:local_address()
  group:go(listener.serve, listener, echo)
  ask(arsenal.tcp.connect("localhost", port))
end

local function use_tls(group)
  local listener <close> = assert(arsenal.tls.listen("127.0.0.1", 0, { cert = certificate }))
  local _, port = listener:local_address()
  group:go(listener.serve, listener, echo)
  for _ = 1, 2 do
    ask(arsenal.tls.connect("127.0.0.1", port, { ca_file = certificate, server_name = "localhost" }))
  end
end

local function use_names(group)
  for i = 1, 4 do group:go(arsenal.dns.resolve, i % 2 == 0 and "localhost" or "127.0.0." .. i) end
  local given_up = group:go(arsenal.dns.resolve, "localhost")
  arsenal.yield()
  given_up:cancel()
end

-- Others have the same signals at the same time.
local function use_signals()
  local signal <close> = assert(arsenal.signal("SIGINT", "SIGUSR1"))
  arsenal.select({ signal }, 0.002)
end

-- Computes for ever. The thread sanitizer lets a signal through only where memory is allocated, among other places.
local function compute()
  while true do local _ = {} end
end

-- Workers: one that ends, one that fails, one that computes until it is cancelled, and two that start others.
local function use_workers(group)
  local numbers = { 1, 2, { 3 } }
  numbers.itself = numbers
  group:worker(function(values) return values, ("x"):rep(5000) end, numbers)
  local failing = arsenal.worker(function() error({ "a table" }) end)
  local computing = group:worker(compute)
  pcall(failing.join, failing)
  arsenal.workers(2, function(index)
    local inner = require("arsenal")
    inner.sleep(0.001 * index)
    inner.worker(function() return 1 end):join()
  end)
  computing:cancel()
end

-- Answers one line on a connection that moves here, and sends it back.
local function answer(stream)
  stream:send(stream:recv_line(), "\n")
  return stream
end

-- Connections that move to a worker and back, between two lines and in the middle of their bytes.
local function use_moves(group)
  for _, family in ipairs({ "tcp", "tls" }) do
    local of_server = family == "tls" and { cert = certificate } or nil
    local listener <close> = assert(arsenal[family].listen("127.0.0.1", 0, of_server))
    local _, port = listener:local_address()
    local accepting = group:go(listener.accept, listener)
    local options = family == "tls" and { ca_file = certificate, server_name = "localhost" } or nil
    local client <close> = assert(arsenal[family].connect("127.0.0.1", port, options))
    local server = assert(accepting:join())
    client:send("one\ntwo\nthree\n")
    for _ = 1, 2 do
      server = arsenal.worker(answer, server):join()
      client:recv_line()
    end
    server = arsenal.blocking(answer, server)
    server:close()
  end
end

-- Values that many tasks of several states send and receive, with cancellations at any moment, and by selects.
local function exchange(first, second, number)
  local inner = require("arsenal")
  inner.group(function(group)
    for side = 1, 2 do
      group:go(function()
        for i = 1, 50 do
          inner.timeout(i % 5 * 2e-5, first.send, first, { number, i, ("x"):rep(2000) })
          inner.timeout(i % 3 * 2e-5, second.recv, second)
          inner.timeout(i % 4 * 2e-5, inner.select, { first, { second, side }, { first, i } })
        end
      end)
    end
  end)
end

local function use_shared_channels(group)
  local first, second = arsenal.channel(0, { shared = true }), arsenal.channel(2, { shared = true })
  local blocked = group:worker(function(channel) return channel:recv() end, arsenal.channel(0, { shared = true }))
  for i = 1, 3 do group:worker(exchange, i % 2 == 0 and first or second, i % 2 == 0 and second or first, i) end
  exchange(first, second, 0)
  second:send(first)
  arsenal.dump()
  blocked:cancel()
end

local function use_processes(group)
  group:go(arsenal.process.run, { "cat", input = "in and out" })
  local forgotten = assert(arsenal.process.start { "sleep", 100 })
  group:go(forgotten.wait, forgotten)
  forgotten:close()
end

-- Calls that are cut off before, while and after a thread makes them lose nothing that was written.
local function use_files()
  local directory = assert(arsenal.fs.temporary { directory = true })
  local path, written = directory .. "/file", {}
  local file = assert(arsenal.fs.open(path, "w"))
  for i = 1, 200 do
    written[i] = ("%d\n"):format(i):rep(i)
    assert(file:write(written[i]))
    arsenal.timeout(i % 4 * 2e-5, file.flush, file)
    arsenal.timeout(i % 3 * 2e-5, arsenal.fs.read, path)
  end
  assert(file:close())
  assert(arsenal.fs.read(path) == table.concat(written))
  arsenal.timeout(2e-5, arsenal.fs.write, path, table.concat(written))
  assert(arsenal.fs.remove(directory, { recursive = true }))
end

local function main()
  arsenal.group(function(group)
    group:go(use_processes, group)
    group:go(use_files)
    group:go(use_names, group)
    group:go(use_workers, group)
    group:go(use_moves, group)
    group:go(use_shared_channels, group)
    group:go(use_signals)
    group:go(use_tcp, group)
    use_tls(group)
  end)
end

-- Ctrl-C may end it.
pcall(arsenal.run, arsenal.timeout, 20, main)

-- Every other state is closed with lookups and waits under way.
if round % 2 == 0 then
  for _ = 1, 3 do arsenal.go(arsenal.dns.resolve, "localhost") end
  arsenal.go(arsenal.sleep, 60)
  arsenal.go(function() arsenal.signal("SIGINT"):wait() end)
  arsenal.worker(function() require("arsenal").sleep(60) end)
  arsenal.worker(compute)
  pcall(arsenal.run_once, 0)
end
