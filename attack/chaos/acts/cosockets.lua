-- Light threads of arsenal.ngx with cosockets of one pool, behind a semaphore; they are killed, and their calls cut.
-- Each answer is the one to its request, however often its connection was used before. No more connections are in use
-- than the pool has places, and all places and permits are free at the end. A timer fires once, and not early.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local closing = require("attack.chaos.closing")
local keepalive = require("arsenal.ngx.keepalive")
local kit = require("spec.kit")
local ngx = require("arsenal.ngx")
local ngx_semaphore = require("arsenal.ngx.semaphore")
local pattern = require("attack.chaos.pattern")
local settings = require("arsenal.ngx.settings")
local tls_kit = require("spec.kit.tls")
local ways = require("attack.chaos.ways")

local LONG <const> = 60000 -- milliseconds
local END <const> = "\r\n-- the end --\r\n"

-- Failures that a server explains which closes connections.
local GONE <const> = {
  ["closed"] = true, ["connection reset by peer"] = true, ["broken pipe"] = true, ["handshake failed"] = true,
}

-- --- The server: a request is a line with a number, which says what the answer is ---

local function payload(number)
  return pattern.bytes(number, number * 7919 % 3000)
end

-- Sends the answer in pieces. Returns false if the connection is to be closed.
local function answer(random, stream, number)
  local text = ("%d\n%s%s"):format(number, payload(number), END)
  local cut = random:number(0, #text)
  if cut > 0 and not stream:send(text:sub(1, cut)) then return false end
  if random:chance(50) then arsenal.sleep(random:time(2e-3)) end
  if random:chance(2) then return false end
  if cut < #text and not stream:send(text:sub(cut + 1)) then return false end
  return not random:chance(5)
end

local function new_handler(random)
  return function(stream)
    local own = random:fork()
    repeat
      local line = stream:recv_line()
    until not line or not answer(own, stream, math.tointeger(line))
    if own:chance(30) then stream:reset() end
  end
end

-- Returns a listener, and whether it is TLS.
local function new_listener(random)
  if random:chance(70) then return kit.listen(), false end
  return tls_kit.listen({ max_version = random:pick { "1.2", "1.3" }, handshake_timeout = LONG / 1000 }), true
end

-- --- One use of a connection: { socket, holds, owes } ---

local Use = {}
Use.__index = Use

-- Afterwards the socket has no connection.
function Use:leave()
  if self.holds then self.state.held = self.state.held - 1 end
  self.holds = false
end

function Use:__close()
  self:leave()
  self.socket:close()
end

local function new_use(state)
  return setmetatable({ state = state, socket = ngx.socket.tcp(), holds = false, owes = false }, Use)
end

-- Calls method(socket, ...) in a way that may cut it. A call that was cut ends the connection, unless it never began.
-- Returns what the method does; or nil and "cut" or "not begun".
local function call(context, use, method, ...)
  local results
  local why = "not begun"
  local function run(...)
    local _ <close> = closing.call(function()
      if not results then use:leave() end
    end)
    why = "cut"
    results = table.pack(method(use.socket, ...))
    if not results[1] and results[2] ~= "timeout" then use:leave() end -- before another task can take its place
    return true
  end
  local way = context.random:chance(70) and ways.directly or ways.any
  way(context, run, ...)
  if not results then return nil, why end
  return table.unpack(results, 1, results.n)
end

-- Whether the call has succeeded. One that has failed must have a reason.
local function succeeds(context, use, name, result, word)
  if result then return true end
  if word == "not begun" then return false end
  if word == "cut" then
    local again, why = use.socket:send("after a call that was cut")
    context:check(not again and why == "closed", "%s was cut, and the connection goes on: %s", name, why)
  else
    context:check(GONE[word], "%s: %s", name, word)
  end
  return false
end

-- --- Connecting ---

-- The place in the pool is taken in the call, and counted straight after it.
local function connect(context, use)
  local state = use.state
  local result, word = call(context, use, function(socket, ...)
    local done, why = socket:connect(...)
    if done then
      use.holds, state.held = true, state.held + 1
      context:check(state.held <= state.size, "%d connections are in use of %d", state.held, state.size)
    end
    return done, why
  end, "127.0.0.1", state.port, state.options)
  if word == "too many waiting connect operations" then return false end
  return succeeds(context, use, "connect", result, word)
end

local function shake_hands(context, use)
  if not use.state.is_tls then return true end
  local is_new = use.socket:getreusedtimes() == 0
  local session, word = call(context, use, use.socket.sslhandshake, use.state.session, "localhost", true)
  if is_new and session then context:count("handshakes") end
  if session and context.random:chance(50) then use.state.session = session end
  return succeeds(context, use, "sslhandshake", session, word)
end

-- --- Receiving ---
-- Each receives one item of the answer, of that size, in pieces where a time limit cuts it.

-- Calls receive() until the item is whole; `add(part)` takes the parts before that. Returns it, or nil and a word.
local function whole(context, use, receive, name)
  local parts = {}
  while true do
    local data, word, part = call(context, use, receive)
    if word == "timeout" then
      context:count("time limits")
      parts[#parts + 1] = part
    elseif not succeeds(context, use, name, data, word) then
      return nil
    else
      parts[#parts + 1] = data
      return table.concat(parts)
    end
  end
end

local items = {}

function items.by_size(context, use, size)
  local got = ""
  local function rest(socket) return socket:receive(size - #got) end
  while #got < size do
    local data = whole(context, use, function(socket)
      local data, word, part = rest(socket)
      if word == "timeout" then
        got = got .. part
        return nil, word, ""
      end
      return data, word, part
    end, "receive")
    if not data then return nil end
    got = got .. data
  end
  return got
end

function items.by_any(context, use, size)
  local got = ""
  while #got < size do
    local data = whole(context, use, function(socket)
      return socket:receiveany(math.min(size - #got, context.random:number(1, 2000)))
    end, "receiveany")
    if not data then return nil end
    got = got .. data
  end
  return got
end

-- Up to the end of the answer.
function items.by_mark(context, use)
  local reader = use.socket:receiveuntil(END, { inclusive = true })
  return whole(context, use, function() return reader() end, "receiveuntil")
end

local function receive_answer(context, use, number)
  local line = whole(context, use, function(socket) return socket:receive("*l") end, "receive a line")
  if not line then return false end
  context:check(line == tostring(number), "the answer to %d came for %d", math.tointeger(line) or -1, number)
  local expected = payload(number) .. END
  local item = context.random:pick { items.by_size, items.by_any, items.by_mark }
  local got = item(context, use, #expected)
  if not got then return false end
  context:check(got == expected, "%d other bytes came for an answer of %d", #got, #expected)
  context:count("answers")
  return true
end

-- --- Light threads ---

local function ask(context, use)
  local state = use.state
  state.asked = state.asked + 1
  local number = state.asked
  local line = number .. "\n"
  local sent, word = call(context, use, use.socket.send, { { tostring(number) }, "\n" })
  if not succeeds(context, use, "send", sent, word) then return false end
  context:check(sent == #line, "send returned %s", sent)
  return receive_answer(context, use, number)
end

-- After a whole answer nothing is unread.
local function give_back(context, use)
  local random = context.random
  if not use.holds or random:chance(20) then return end
  local done, word = use.socket:setkeepalive(random:pick { 0, 1, LONG }, use.state.size)
  context:check(done == 1 or word == "closed", "setkeepalive: %s", word)
  if done then use:leave() end
end

local function visit(context, state)
  local use <close> = new_use(state)
  if context.random:chance(30) then
    use.socket:settimeouts(LONG, LONG, context.random:number(1, 3))
  else
    use.socket:settimeout(LONG)
  end
  if not connect(context, use) or not shake_hands(context, use) then return end
  for _ = 1, context.random:number(1, 3) do
    if not ask(context, use) then return end
  end
  give_back(context, use)
end

-- A visit with a permit of the semaphore.
local function visit_with_permit(context, state)
  local has_permit = false
  local _ <close> = closing.call(function()
    if not has_permit then return end
    state.inside = state.inside - 1
    state.gate:post()
  end)
  local done, word = state.gate:wait(context.random:time(0.02))
  if not done then return context:check(word == "timeout", "wait: %s", word) end
  has_permit, state.inside = true, state.inside + 1
  context:check(state.inside <= state.permits, "%d threads have %d permits", state.inside, state.permits)
  visit(context, state)
end

-- A coroutine that is closed from outside leaves the generators in it to the collector, and a permit of OpenResty's is
-- lost there. So only single calls are in such coroutines.
local function visit_often(context, state)
  for _ = 1, context.random:number(1, 8) do
    local way = context.random:chance(60) and ways.directly or ways.call
    way(context, visit_with_permit, context, state)
    if context.random:chance(20) then ngx.sleep(context.random:time(2e-3)) end
  end
  return "visited"
end

-- Starts a light thread: its context.
local function spawn(context, state)
  local own = context.world:context(context.name .. "/thread", context.random:fork(), context)
  own.task = arsenal.shield(ngx.thread.spawn, visit_often, own, state) -- a cancellation there would lose the thread
  return own
end

-- Marauders may kill it.
local function wait_for(context, thread)
  local _ <close> = thread:expose("a kill of its thread", function()
    thread.doomed = true
    ngx.thread.kill(thread.task)
  end)
  local ok, result = ngx.thread.wait(thread.task)
  if thread.doomed then return arsenal.shield(thread.task.join, thread.task) end
  context:check(ok, "a thread failed: %s", result)
  context:check(result == "visited", "a thread returned %s", result)
end

-- --- Timers ---

local function start_timers(context, state)
  for _ = 1, context.random:number(0, 4) do
    local delay, began, has_fired = context.random:time(5e-3), arsenal.now(), false
    state.timers = state.timers + 1
    assert(ngx.timer.at(delay, function(premature)
      state.timers = state.timers - 1
      state.is_wrong = state.is_wrong or has_fired or not premature and arsenal.now() - began < delay
      has_fired = true
    end))
  end
end

-- --- The act ---

local function new_state(context, port, is_tls)
  local random = context.random
  local size, permits = random:number(1, 4), random:number(1, 6)
  local name = ("chaos %d"):format(random:bits())
  return {
    port = port, is_tls = is_tls, size = size, permits = permits, gate = ngx_semaphore.new(permits),
    options = { pool = name, pool_size = size, backlog = random:number(0, 6) },
    asked = 0, held = 0, inside = 0, timers = 0, is_wrong = false,
  }
end

local function judge(context, state)
  local idle, in_use = keepalive.count(state.options.pool)
  context:check(in_use == 0, "%d connections of the pool are in use, and none is left", in_use)
  context:check(idle <= state.size, "%d connections are idle in a pool of %d", idle, state.size)
  context:check(state.gate:count() == state.permits, "%d permits are free of %d", state.gate:count(), state.permits)
  context:check(not state.is_wrong, "a timer has fired early, or twice")
end

local function run_threads(context, state, threads)
  start_timers(context, state)
  for i = 1, context.random:number(1, 6) do threads[i] = spawn(context, state) end
  for _, thread in ipairs(threads) do wait_for(context, thread) end
  while state.timers > 0 do arsenal.sleep(0.001) end
end

-- Light threads outlive the task that has started them, so it ends them.
local function end_threads(threads)
  for _, thread in ipairs(threads) do
    thread.doomed = true
    ngx.thread.kill(thread.task)
    thread.task:join()
  end
end

local function run(context)
  settings.ssl_trusted_certificate = certificates.trusted()
  local opened, is_tls = new_listener(context.random)
  local listener <close> = opened
  local serving = arsenal.go(listener.serve, listener, new_handler(context.random:fork()))
  local threads = {}
  local _ <close> = closing.call(function()
    arsenal.shield(end_threads, threads)
    serving:cancel()
    arsenal.shield(serving.join, serving)
    arsenal.shield(keepalive.close)
  end)
  local state = new_state(context, kit.port_of(listener), is_tls)
  run_threads(context, state, threads)
  judge(context, state)
end

return { { name = "cosockets", run = run } }
