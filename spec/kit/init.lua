-- The test kit: runs a spec's body inside the loop under a time limit, and proves that no task,
-- handle, timer or descriptor is left. Also connected pairs, echo servers, random bytes, and the
-- assertions that arsenal's conventions ask for. Children are in spec.kit.child.

local arsenal = require("arsenal")
local lfs = require("lfs")
local assert = require("luassert")
local busted = require("busted")

local kit = {}

-- Ends a spec that hangs. No spec comes near it, also where other programs keep each core busy.
local LIMIT <const> = tonumber(os.getenv("ARSENAL_SPEC_LIMIT")) or 60
local SLOW <const> = os.getenv("ARSENAL_SLOW") == "1"
local ONE_BYTE <const> = os.getenv("ARSENAL_ONE_BYTE") == "1"

kit.slow = SLOW
kit.one_byte = ONE_BYTE
kit.limit = (SLOW or ONE_BYTE) and 6 * LIMIT or LIMIT

-- How many of something heavy: n, or a twentieth of it where everything is slow.
function kit.count(n)
  return (SLOW or ONE_BYTE) and math.max(n // 20, 1) or n
end

-- How many bytes: n, or little enough to be moved one at a time.
function kit.bytes(n)
  if ONE_BYTE then return math.max(n // 256, 1) end
  return SLOW and math.max(n // 8, 1) or n
end

-- What `error(nil)` raises: nil in Lua 5.4, a string in Lua 5.5.
kit.no_error_object = select(2, pcall(error))

-- Specs that cannot run here ---------------------------------------------------------------------

-- busted.pending is what declares a pending spec; this one ends a running spec as pending.
local end_as_pending <const> = require("busted.core")().pending

-- The reasons that spec/pending.txt lists: each line has one, up to its colon.
local function listed_reasons()
  local listed = {}
  for line in io.lines("spec/pending.txt") do
    local reason = line:match("^([^#:][^:]*):")
    if reason then listed[reason] = true end
  end
  return listed
end

-- Ends the running spec as pending. Where CI=true, a reason that is not listed fails it.
function kit.skip(reason)
  if os.getenv("CI") == "true" and not listed_reasons()[reason] then
    error(("pending, which CI does not allow: %s. spec/pending.txt lists what it allows"):format(reason), 0)
  end
  end_as_pending(reason)
end

-- Takes the place of `it` or `describe` where their specs cannot run:
-- `local it = kit.one_byte and kit.pending("one byte at a time") or it`.
function kit.pending(reason)
  return function(title) busted.it(title, function() kit.skip(reason) end) end
end

-- What is left behind ---------------------------------------------------------------------------

-- How long what is expected soon may take on a busy machine, in seconds.
local SOON <const> = 5

-- The numbers of the open descriptors, without that of the loop's ring, which comes at some message of any spec.
function kit.descriptor_list()
  local seen, open = {}, {}
  for name in lfs.dir("/proc/self/fd") do seen[#seen + 1] = tonumber(name) end
  for _, fd in ipairs(seen) do -- the one that listed them is closed by now
    local target = lfs.symlinkattributes("/proc/self/fd/" .. fd, "target")
    if target and target ~= "anon_inode:[io_uring]" then open[#open + 1] = fd end
  end
  return open
end

-- What each open descriptor refers to, such as "pipe:[1234]".
local function descriptor_targets()
  local targets = {}
  for _, fd in ipairs(kit.descriptor_list()) do
    targets[fd] = lfs.symlinkattributes("/proc/self/fd/" .. fd, "target")
  end
  return targets
end

-- Calls fn, and returns its first result and the descriptor that it has opened. Its number may be
-- that of a descriptor that the collector closes meanwhile.
function kit.opened(fn, ...)
  local before = descriptor_targets()
  local result = fn(...)
  for fd, target in pairs(descriptor_targets()) do
    if target ~= before[fd] then return result, fd end
  end
  error("no descriptor was opened", 2)
end

-- The descriptor that was opened with that path; other threads may open others meanwhile.
local function descriptor_of(path)
  for fd, target in pairs(descriptor_targets()) do
    if target == path then return fd end
  end
end

-- Calls fn with a pipe that is none of arsenal's: a file to read and write, without a buffer, and
-- its descriptor.
function kit.with_foreign(fn)
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkfifo " .. path))
  local file = assert(io.open(path, "r+"))
  local fd = descriptor_of(path)
  os.remove(path)
  file:setvbuf("no")
  local _ <close> = file
  return fn(fd, file)
end

function kit.process_id()
  local file <close> = assert(io.open("/proc/self/stat"))
  return file:read("n")
end

-- The process's resident memory in bytes.
function kit.resident_memory()
  for line in io.lines("/proc/self/status") do
    local kilobytes = line:match("^VmRSS:%s+(%d+)")
    if kilobytes then return kilobytes * 1024 end
  end
end

-- Everything that arsenal holds, in words; nil when it holds nothing.
local function held()
  local stats, found = arsenal.stats(), {}
  for _, name in ipairs { "tasks", "ready", "waiting", "timers" } do
    if stats[name] ~= 0 then found[#found + 1] = stats[name] .. " " .. name end
  end
  for kind, count in pairs(stats.handles) do
    if count ~= 0 then found[#found + 1] = count .. " open " .. kind end
  end
  return found[1] and table.concat(found, ", ") or nil
end

-- Collects until finalizers have had their say and the loop has seen the closed handles out.
function kit.collect()
  for _ = 1, 3 do
    collectgarbage()
    arsenal.run_once(0)
  end
end

local function left_behind(before)
  local left = held()
  if left then return "left behind: " .. left end
  local after = #kit.descriptor_list()
  if after ~= before then
    return ("left behind: %d descriptors where there were %d"):format(after, before)
  end
end

-- A collection of busted's heap takes longer than most specs: only what needs one to go has it. A thread may still be
-- about to close the file of a call that was given up.
local function leak(before)
  arsenal.run_once(0)
  if not left_behind(before) then return nil end
  local limit = arsenal.now() + SOON
  repeat
    kit.collect()
    local left = left_behind(before)
  until not left or arsenal.now() > limit
  return left_behind(before)
end

-- A string error with its traceback; any other as it is.
local function traced(err)
  return type(err) == "string" and debug.traceback(err, 2) or err
end

-- Runs `body` and raises its error, or what it left behind.
local function proving_nothing_is_left(body)
  local before = #kit.descriptor_list()
  local ok, err = xpcall(body, traced)
  local left = leak(before)
  if not ok then error(err, 0) end
  if left then error(left, 0) end
end

-- Running a spec's body -------------------------------------------------------------------------

-- Waits for the tasks that the body has left running: they see their peers go.
local function tasks_end()
  local limit = arsenal.now() + SOON
  while arsenal.stats().tasks > 1 do
    if arsenal.now() > limit then
      local left = arsenal.stats().tasks - 1
      arsenal.stop()
      error(("the body ended, and left %d tasks running"):format(left), 0)
    end
    arsenal.sleep(0.001)
  end
end

local function limited(body, limit)
  local ended, err
  local _, message, code = arsenal.timeout(limit, function()
    ended, err = xpcall(body, traced)
    if arsenal.is_cancelled(err) then error(err, 0) end
  end)
  if ended then return tasks_end() end
  arsenal.stop()
  if err ~= nil and not arsenal.is_cancelled(err) then error(err, 0) end
  error(("the spec's body did not end (%s, %s)"):format(message, code), 0)
end

-- For `it`: runs the body as the first task of `arsenal.run`. `options.limit` in seconds.
function kit.inside(body, options)
  local limit = options and options.limit or kit.limit
  return function()
    proving_nothing_is_left(function()
      local ok, err
      -- The error is carried around run, so that run's own treatment of errors cannot change it.
      pcall(arsenal.run, function()
        ok, err = pcall(limited, body, limit)
      end)
      if not ok then error(err, 0) end
    end)
  end
end

-- For `it`: runs the body outside every task.
function kit.outside(body)
  return function() proving_nothing_is_left(body) end
end

-- Lets the others run until `task` waits.
function kit.until_waiting(task)
  while task:status() == "ready" do arsenal.yield() end
  assert.equal("waiting", task:status())
  return task
end

-- Starts fn as a task and lets it run to its first wait.
function kit.waiting(fn, ...)
  return kit.until_waiting(arsenal.go(fn, ...))
end

-- Lets the loop turn until predicate() holds; the kit's limit ends it otherwise.
function kit.turn_until(predicate)
  while not predicate() do arsenal.yield() end
end

-- Lets the loop poll so many times, and run what each poll has woken. A yield alone need not poll: the
-- loop may run some tasks first. A timer fires after a poll, and after its events.
function kit.polls(count)
  for _ = 1, count do arsenal.sleep(1e-9) end
end

-- Calls fn beside a task that is always ready; returns how many turns that one has had.
function kit.turns_beside(fn)
  local turns, done = 0, false
  arsenal.go(function()
    while not done do
      turns = turns + 1
      arsenal.yield()
    end
  end)
  fn()
  done = true
  return turns
end

-- A value for a <close> variable, which calls fn(value, err).
function kit.on_close(fn)
  return setmetatable({}, { __close = fn })
end

-- Calls fn with arsenal.on_error replaced by a recorder; returns the list of what it was told.
function kit.recording_errors(fn)
  local told, before = {}, arsenal.on_error
  arsenal.on_error = function(err, traceback, task)
    told[#told + 1] = { err = err, traceback = traceback, task = task }
  end
  local ok, err = pcall(fn, told)
  arsenal.on_error = before
  if not ok then error(err, 0) end
  return told
end

-- Assertions ------------------------------------------------------------------------------------

-- kit.fails(code, call(...)): the failure convention, nil, message, code. Returns message and the rest.
function kit.fails(expected, ...)
  local value, message, code = ...
  assert.is_nil(value)
  assert.equal("string", type(message), "a failure has a message")
  assert.equal(expected, code, message)
  assert.is_nil(message:match("\n%s*stack traceback"), "a message has no traceback")
  return message, select(4, ...)
end

-- The function raises, and its message contains each of the words (plain text). Returns the error.
function kit.mistake(words, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "a mistake of the caller raises")
  assert.is_false(arsenal.is_cancelled(err), "a mistake is no cancellation")
  local message = tostring(err)
  for word in words:gmatch("%S+") do
    assert(message:find(word, 1, true), ("%q does not name %q"):format(message, word))
  end
  return err
end

-- The stream's next bytes are these. (A plain recv may give fewer, one at a time even.)
function kit.expect(stream, text)
  local got, message = stream:recv_exactly(#text)
  assert.equal(text, got, message)
end

-- Equality of long strings, told by the first difference.
function kit.same_bytes(expected, got)
  if expected == got then return end
  assert.equal("string", type(got))
  local at = 1
  while expected:byte(at) and expected:byte(at) == got:byte(at) do at = at + 1 end
  error(("bytes differ at %d of %d; got %d bytes"):format(at, #expected, #got), 2)
end

-- How much longer than asked for a wait may take, in seconds.
local LATEST <const> = 2.5

-- fn takes at least `least` seconds, and not much longer. Returns what fn returns.
function kit.takes(least, fn, ...)
  local started = arsenal.now()
  local results = table.pack(fn(...))
  local took = arsenal.now() - started
  assert(took >= least, ("took %.4f s, less than %s"):format(took, least))
  if not SLOW and not ONE_BYTE then
    assert(took < least + LATEST, ("took %.4f s, much more than %s"):format(took, least))
  end
  return table.unpack(results, 1, results.n)
end

-- For what has to happen within a time that a busy machine may exceed: calls fn(seconds), with
-- `seconds` doubled each time, until fn returns true. The spec's limit ends it.
function kit.doubling(seconds, fn)
  while not fn(seconds) do seconds = 2 * seconds end
end

-- For what a busy machine, the collector or the allocator may enlarge: calls fn(), which returns how many seconds
-- something took, or how many bytes, until it is less than `most`, but not for ever.
function kit.less_than(most, fn)
  local least = math.huge
  for _ = 1, 30 do
    least = math.min(least, fn())
    if least < most then return end
  end
  error(("%.3f at the least, which is not less than %s"):format(least, most), 2)
end

-- Data ------------------------------------------------------------------------------------------

-- n bytes that look random and are the same for the same seed.
function kit.random_bytes(n, seed)
  local state, words = seed or 1, {}
  for i = 1, n // 8 + 1 do
    state = state * 6364136223846793005 + 1442695040888963407
    words[i] = string.pack("<i8", state ~ (state >> 29))
  end
  return table.concat(words):sub(1, n)
end

-- Cuts data into pieces of random lengths up to `most`.
function kit.pieces(data, most, random)
  local pieces, at = {}, 1
  while at <= #data do
    local length = random(most)
    pieces[#pieces + 1] = data:sub(at, at + length - 1)
    at = at + length
  end
  return pieces
end

-- A generator of numbers of its own, so that specs neither share nor disturb math.random.
function kit.random(seed)
  local state = seed
  return function(most)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % most + 1
  end
end

-- Peers -----------------------------------------------------------------------------------------

function kit.listen(options)
  return assert(arsenal.tcp.listen("127.0.0.1", 0, options))
end

function kit.port_of(listener)
  return (select(2, listener:local_address()))
end

function kit.connect_to(listener, options)
  return assert(arsenal.tcp.connect("127.0.0.1", kit.port_of(listener), options))
end

-- A connected TCP pair: ours (options.connect), and the accepted side (options.listen).
function kit.tcp_pair(options)
  options = options or {}
  local listener = kit.listen(options.listen)
  local client = kit.connect_to(listener, options.connect)
  local server = assert(listener:accept())
  listener:close()
  return client, server
end

-- Calls fn with both, which are closed afterwards.
function kit.closing_both(first, second, fn)
  local a <close> = first
  local b <close> = second
  return fn(a, b)
end

-- Calls fn with a connected pair, which is closed afterwards.
function kit.with_pair(fn, options)
  local client, server = kit.tcp_pair(options)
  return kit.closing_both(client, server, fn)
end

-- Starts a listener whose every connection is answered by `handler`; returns it, its port and serve's task.
function kit.server(handler, options, listen_options)
  local listener = kit.listen(listen_options)
  local serving = arsenal.go(listener.serve, listener, handler, options)
  return listener, kit.port_of(listener), serving
end

-- The handler that sends back what it receives.
function kit.echo(stream)
  for chunk in stream:chunks() do assert(stream:send(chunk)) end
end

-- A port on which nobody listens: that of the discard service. The system gives it to nobody, so no
-- other program can have it in the middle of a spec.
kit.dead_port = 9

-- A socket that keeps a port of 127.0.0.1 from being given to other UDP sockets; nil if it has been given to one.
local function hold_udp_port(port)
  local socket = require("arsenal.socket").udp4()
  socket:setoption("reuseaddr", true)
  if socket:setsockname("127.0.0.1", port) and socket:setpeername("127.0.0.1", kit.dead_port) then return socket end
  socket:close()
end

-- Calls fn with a port of 127.0.0.1 for a server that is yet to start. An accepted connection holds it for TCP, and a
-- connected socket for UDP: the system gives it to nobody else, but a server that sets SO_REUSEADDR can use it.
function kit.with_held_port(fn)
  local udp
  repeat
    kit.with_pair(function(_, server)
      local port = select(2, server:local_address())
      udp = hold_udp_port(port)
      if not udp then return end
      local _ <close> = udp
      fn(port)
    end)
  until udp
end

-- Two listeners on one port: of ::1, and of 127.0.0.1.
local function listen_on_both(options)
  while true do
    local six = assert(arsenal.tcp.listen("::1", 0, options))
    local four, message, code = arsenal.tcp.listen("127.0.0.1", kit.port_of(six), options)
    if four then return six, four end
    six:close()
    assert(code == "EADDRINUSE", message) -- somebody else has been given IPv4's
  end
end

-- Calls fn with a listener of ::1 and one of 127.0.0.1 on the same port, which are closed afterwards.
function kit.with_both_listening(fn, options)
  local six, four = listen_on_both(options)
  return kit.closing_both(six, four, fn)
end

-- Whether this machine has IPv6.
function kit.has_ipv6()
  local socket = arsenal.udp.bind("::1", 0)
  if socket then socket:close() end
  return socket ~= nil
end

-- More than the kernel takes for a pair with small buffers.
kit.plenty = ("x"):rep(ONE_BYTE and 1 << 19 or 8 << 20)

-- A task that sends kit.plenty to a peer that does not read: part of it has gone out, and it waits.
function kit.stuck_sender(stream)
  local sending = kit.waiting(function() return stream:send(kit.plenty) end)
  local sent
  repeat -- more than once only where the kernel is made to take a byte at a time
    sent = stream:stats().sent
    arsenal.sleep(0.005)
  until sent > 0 and stream:stats().sent == sent
  return sending
end

-- Small kernel buffers, so that little data makes a sender wait.
function kit.small_buffers(stream)
  stream:set_option("send_buffer", 32768)
  stream:set_option("recv_buffer", 32768)
  return stream
end

-- What belongs to the loop for its life (its descriptors, the pool's threads) exists from here on.
arsenal.run(function()
  arsenal.sleep(0)
  arsenal.signal("TERM"):close() -- libuv's loop is made when it is first needed
  assert(arsenal.dns.resolve("localhost"))
  kit.with_pair(function(a, b)
    a:send("warm")
    assert.equal("warm", b:recv_exactly(4))
    for _, stream in ipairs { a, b } do arsenal.go(stream.send, stream, "together") end
    assert.equal("together", a:recv_exactly(8))
    assert.equal("together", b:recv_exactly(8))
  end)
end)

return kit
