-- What a soak does all the time: the same mixed load in each second, by a fixed number of tasks.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local PAUSE <const> = 0.002 -- seconds between two operations of a task
local MESSAGES <const> = { "x", ("line\n"):rep(20), ("data"):rep(4000) }

local co <const> = arsenal.coroutine

-- Calls each(i) again and again, until the task is cancelled.
local function repeatedly(each)
  local i = 0
  while true do
    i = i + 1
    each(i)
    arsenal.sleep(PAUSE)
  end
end

-- --- Connections ---

local function exchange(stream, i)
  local message = MESSAGES[i % #MESSAGES + 1]
  assert(stream:send(message))
  assert(stream:recv_exactly(#message) == message)
end

-- Starts an echo server, a client that stays connected, and one that connects again for each message.
local function serve_family(group, listener, connect)
  group:go(listener.serve, listener, kit.echo)
  group:go(function()
    local stream <close> = assert(connect())
    repeatedly(function(i) exchange(stream, i) end)
  end)
  group:go(repeatedly, function(i)
    local stream <close> = assert(connect())
    exchange(stream, i)
    if i % 3 == 0 then stream:shutdown() end
    if i % 3 == 1 then stream:reset() end
  end)
end

local function serve_tcp(group)
  local listener = kit.listen()
  serve_family(group, listener, function() return arsenal.tcp.connect("127.0.0.1", kit.port_of(listener)) end)
end

local function serve_unix(group)
  local path = os.tmpname()
  os.remove(path)
  local listener = assert(arsenal.unix.listen(path))
  serve_family(group, listener, function() return arsenal.unix.connect(path) end)
end

local function serve_tls(group, version)
  local listener = tls_kit.listen()
  serve_family(group, listener, function() return tls_kit.connect(listener, { max_version = version }) end)
end

local function exchange_datagrams(group)
  local receiver = assert(arsenal.udp.bind("127.0.0.1", 0))
  local sender = assert(arsenal.udp.connect(receiver:local_address()))
  group:go(repeatedly, function()
    assert(sender:send("datagram"))
    assert(receiver:recv_from())
  end)
end

local function copy_often(group)
  group:go(repeatedly, function()
    local near <close>, near_end = kit.tcp_pair()
    local far, far_end <close> = kit.tcp_pair()
    local _ <close> = near_end
    local _ <close> = far
    near:send(MESSAGES[3])
    near:shutdown()
    assert(arsenal.copy(near_end, far) == #MESSAGES[3])
    assert(far_end:recv_exactly(#MESSAGES[3]))
  end)
end

-- --- Tasks ---

local function spawn_often(group)
  group:go(repeatedly, function(i)
    local task = arsenal.go(arsenal.sleep, i % 2 == 0 and 0 or 60)
    arsenal.yield()
    task:cancel()
    task:join()
    arsenal.group(function(inner)
      for _ = 1, 5 do inner:go(arsenal.yield) end
    end)
  end)
end

local function set_timers(group)
  group:go(repeatedly, function()
    arsenal.timeout(60, arsenal.yield)
    arsenal.timeout(0.001, arsenal.sleep)
    arsenal.select { arsenal.after(0.001), arsenal.event(), arsenal.channel() }
  end)
end

local function pass_values(group)
  local channel, results = arsenal.channel(3), arsenal.channel()
  group:go(repeatedly, function(i)
    for j = 1, 10 do channel:send({ i, j }) end
  end)
  group:go(function()
    for value in channel:values() do arsenal.select { { results, value }, arsenal.after(1) } end
  end)
  group:go(function()
    while true do arsenal.timeout(0.001, results.recv, results) end
  end)
end

-- Generators that end, that are closed and that are left, with limits, shields and groups inside.
local function use_generators(group)
  local openers = {
    function(fn) return arsenal.timeout(60, fn) end,
    arsenal.shield,
    arsenal.group,
  }
  group:go(repeatedly, function(i)
    local generator = co.create(function()
      openers[i % #openers + 1](function()
        for n = 1, 3 do
          arsenal.sleep(0)
          co.yield(n)
        end
      end)
    end)
    for _ = 1, i % 5 do co.resume(generator) end
    if i % 2 == 0 then co.close(generator) end
  end)
end

local function take_locks(group)
  local mutex, semaphore = arsenal.mutex(), arsenal.semaphore(2)
  for _ = 1, 4 do
    group:go(repeatedly, function()
      local guard <close> = mutex:lock()
      local permit <close> = semaphore:acquire()
      arsenal.yield()
      return guard, permit
    end)
  end
end

-- --- Workers ---

-- Answers on a connection that moves here and back, and receives a value. Some fail, some compute until cancelled.
local function work(stream, channel, i)
  stream:send("answer")
  local value = channel:recv()
  if i % 4 == 1 then error({ value }) end
  while i % 4 == 2 do i = i + 4 end
  return stream
end

-- Starts workers that end in different ways, one after another, and has what they do shown while they do it.
local function start_workers(group)
  local channel = arsenal.channel(0, { shared = true })
  group:go(repeatedly, function(i)
    local near <close>, near_end = kit.tcp_pair()
    local _ <close> = near_end
    local worker = arsenal.worker(work, near_end, channel, i)
    local _ <close> = setmetatable({}, { __close = function() worker:cancel() end })
    assert(near:recv_exactly(6) == "answer")
    assert(channel:send(MESSAGES[i % #MESSAGES + 1]))
    if i % 8 == 0 then arsenal.dump() end
    if i % 4 == 2 then worker:cancel() end
    local ok, stream = pcall(worker.join, worker)
    if ok and stream then stream:close() end
  end)
  group:go(repeatedly, function(i) assert(arsenal.blocking(function(value) return value end, i) == i) end)
end

-- Runs the load in tasks of the group.
return function(group)
  serve_tcp(group)
  serve_unix(group)
  serve_tls(group, "1.2")
  serve_tls(group, "1.3")
  exchange_datagrams(group)
  copy_often(group)
  spawn_often(group)
  set_timers(group)
  pass_values(group)
  use_generators(group)
  take_locks(group)
  start_workers(group)
end
