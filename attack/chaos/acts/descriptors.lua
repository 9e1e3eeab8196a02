-- Foreign descriptors, names, signals, pools: waits that are cut at any moment, and objects closed under them.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local kit = require("spec.kit")
local ways = require("attack.chaos.ways")

-- --- A pipe that is none of arsenal's ---

local function watch(context, pipe)
  local random = context.random
  for _ = 1, random:number(1, 30) do
    if pipe.closed then return end
    local wait = random:chance(50) and arsenal.wait_readable or arsenal.wait_writable
    local _, message, code = ways.any(context, wait, pipe.fd, random:time(2e-3))
    context:check(code == nil or code == "TIMEOUT" or code == "CANCELLED" or code == "LOST" or
      code == "EBADF" and pipe.closed, "wait on a pipe: %s", message)
  end
end

local function run_pipe(context)
  local random = context.random
  kit.with_foreign(function(fd, file)
    local pipe = { fd = fd, file = file }
    arsenal.group(function(group)
      for _ = 1, random:number(1, 4) do context:go(group, "watch", watch, pipe) end
      for _ = 1, random:number(0, 10) do
        arsenal.sleep(random:time(2e-3))
        file:write("x")
      end
      if random:chance(30) then
        pipe.closed = true
        file:close()
      end
    end)
  end)
end

-- --- Names ---

local hosts <const> = { "localhost", "127.0.0.1", "::1", "", ("x"):rep(300), "a\0b" }

local function run_names(context)
  for _ = 1, context.random:number(1, 5) do
    local host = context.random:pick(hosts)
    local list, message, code = ways.any(context, arsenal.dns.resolve, host)
    context:check(list or code, "resolve: %s", message)
    if list then context:check(list[1].address, "no address") end
  end
end

-- --- Signals ---

local function run_signal(context)
  local random = context.random
  local keeper <close> = arsenal.signal("SIGUSR1") -- without it the signal would end the process
  local signal <close> = arsenal.signal("SIGUSR1", "SIGUSR2")
  local _ <close> = context:expose_objects(signal)
  arsenal.group(function(group)
    for _ = 1, 3 do
      context:go(group, "wait", function(own)
        arsenal.timeout(0.01, ways.any, own, signal.wait, signal)
        ways.any(own, arsenal.select, { signal, arsenal.channel() }, own.random:time(1e-3))
      end)
    end
    arsenal.sleep(random:time(2e-3))
    if random:chance(20) then os.execute("kill -USR1 " .. kit.process_id()) end
  end)
  return keeper
end

-- --- Pools ---

-- Asks the server with a connection that is lent.
local function ask(context, state, stream)
  context:check(not state.lent[stream], "a connection is lent twice")
  state.lent[stream], state.count = true, state.count + 1
  local _ <close> = closing.call(function() state.lent[stream], state.count = nil, state.count - 1 end)
  context:check(state.count <= state.most, "%d connections are lent of %d", state.count, state.most)
  local text = tostring(context.random:number(1, 1 << 40))
  if not stream:send(text) then return nil, "the peer is gone", "EPIPE" end
  local got, message, code = stream:recv_exactly(#text)
  context:check(got == nil or got == text, "another answer came: %s", got)
  if got then context:count("answers") end
  return got, message, code
end

-- By `with`, or by `acquire`: then a connection that was not used to its end is discarded.
local borrows = {
  function(context, state)
    return state.pool:with(function(stream) return ask(context, state, stream) end)
  end,
  function(context, state)
    local stream, message, code = state.pool:acquire(context.random:pick { 0, 0.001, 1 })
    if not stream then return nil, message, code end
    local got
    local _ <close> = closing.call(function()
      if got and context.random:chance(80) then state.pool:release(stream) else state.pool:discard(stream) end
    end)
    got, message, code = ask(context, state, stream)
    return got, message, code
  end,
}

local function borrow(context, state)
  for _ = 1, context.random:number(1, 20) do
    local _, _, code = ways.call(context, context.random:pick(borrows), context, state)
    if code == "CLOSED" then return end
  end
end

-- Whether a connection still works: by a question to its server, which takes a while.
local function new_check(random)
  if random:chance(50) then return nil end
  local own = random:fork()
  return function(stream)
    if own:chance(30) then arsenal.sleep(own:time(1e-3)) end
    return stream:send("?") ~= nil and stream:recv_exactly(1) == "?" and own:chance(90)
  end
end

local function run_pool(context)
  local listener, port, serving = kit.server(kit.echo)
  local _ <close> = closing.call(function()
    listener:close()
    serving:cancel()
  end)
  local random = context.random
  local state = { lent = {}, count = 0, most = random:number(1, 4) }
  state.pool = arsenal.pool {
    max = state.most, check = new_check(random), idle_timeout = random:pick { math.huge, random:time(5e-3) },
    connect = function() return arsenal.tcp.connect("127.0.0.1", port) end,
  }
  local closing_pool <close> = state.pool
  local exposed <close> = context:expose_objects(context.random:chance(30) and closing_pool or nil)
  arsenal.group(function(group)
    for _ = 1, context.random:number(1, 6) do context:go(group, "borrow", borrow, state) end
  end)
  context:check(next(state.lent) == nil, "a connection is still lent")
  local stats = state.pool:stats()
  context:check(stats.lent == 0 and stats.waiting == 0, "the pool has lent %d, and %d wait", stats.lent, stats.waiting)
  context:check(stats.idle <= state.most, "the pool has %d idle connections of %d", stats.idle, state.most)
  return exposed
end

return {
  { name = "pipes", run = run_pipe },
  { name = "names", run = run_names },
  { name = "signals", run = run_signal },
  { name = "pools", run = run_pool },
}
