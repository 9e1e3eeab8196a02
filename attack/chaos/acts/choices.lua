-- `select` among cases of every kind, several of which are often ready, in several tasks, with and without time limits.
-- Exactly one case is performed: each value, datagram, connection and byte comes once to some choice, or is still there
-- at the end. What is chosen was ready.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local connected_pair = require("attack.chaos.pairs")
local kit = require("spec.kit")
local pattern = require("attack.chaos.pattern")
local ways = require("attack.chaos.ways")

local MOST_DATAGRAMS <const> = 12 -- which the kernel has room for
local MOST_CLIENTS <const> = 5

-- --- Sources: { case, closes, also, came(context, ...), feed(random, context), missing(context) } ---
-- `came` gets what select returns after the case, straight after select has returned. `feed` runs in a task that is
-- cancelled in the end. After that `missing` returns how many things came to nobody. `closes` is what closes the
-- source, if not `case`; `also` is closed with it.

local sources = {}

-- Things with numbers, which come once.
local function new_ledger()
  return { sent = {}, maybe = {}, seen = {} }
end

local function note(context, ledger, number)
  context:check(ledger.sent[number] or ledger.maybe[number], "%s came, which was not sent", number)
  context:check(not ledger.seen[number], "%s came twice", number)
  ledger.seen[number] = true
end

local function count_missing(ledger)
  local missing = 0
  for number in pairs(ledger.sent) do
    if not ledger.seen[number] then missing = missing + 1 end
  end
  return missing
end

-- Chooses again, after turns of the loop, until nothing is missing, or nothing has come for a while.
local function count_missing_after(context, ledger, case, came)
  for _ = 1, 20 do
    if count_missing(ledger) == 0 then break end
    local ready, thing, message = arsenal.select({ case }, 0.01)
    context:check(not ready or thing, "what is missing cannot come: %s", message)
    if ready then came(context, thing) end
  end
  return count_missing(ledger)
end

-- Channels -------------------------------------------------------------

-- Closes the channel, takes what is left in it, and returns how many numbers are missing.
local function drain_missing(context, channel, ledger)
  channel:close()
  for number in channel:values() do note(context, ledger, number) end
  return count_missing(ledger)
end

local function receiving(random, options)
  local channel, ledger = arsenal.channel(random:number(0, 3), options), new_ledger()
  return {
    case = channel,
    came = function(context, number) if number then note(context, ledger, number) end end,
    feed = function(own)
      for number = 1, 100 do
        ledger.maybe[number] = true
        if not channel:send(number) then return end
        ledger.sent[number] = true
        if own:chance(30) then arsenal.sleep(own:time(1e-3)) end
      end
    end,
    missing = function(context) return drain_missing(context, channel, ledger) end,
  }
end

function sources.channel(random) return receiving(random) end

function sources.shared_channel(random) return receiving(random, { shared = true }) end

-- A case that sends another number in each choice.
local function sending(random, options)
  local channel, ledger, last = arsenal.channel(random:number(0, 3), options), new_ledger(), 0
  return {
    case = channel,
    -- Returns the case, and a function for whether its number was sent.
    new_case = function()
      last = last + 1
      local number = last
      ledger.maybe[number] = true
      return { channel, number }, function(is_sent)
        ledger.maybe[number] = nil
        if is_sent then ledger.sent[number] = true end
      end
    end,
    feed = function(own, context)
      for number in channel:values() do
        note(context, ledger, number)
        if own:chance(30) then arsenal.sleep(own:time(1e-3)) end
      end
    end,
    missing = function(context) return drain_missing(context, channel, ledger) end,
  }
end

function sources.sending(random) return sending(random) end

function sources.sending_shared(random) return sending(random, { shared = true }) end

-- Sockets --------------------------------------------------------------

function sources.stream(_, context)
  local near, far, is_tls = connected_pair(context)
  local total, ended = 0, false
  local function came(own, data, message)
    if data then
      own:check(pattern.is(data, total), "other bytes came than were sent, after %d", total)
      total = total + #data
    else
      ended = ended or message == nil
    end
  end
  return {
    case = far, also = near, came = came,
    feed = function(own)
      for _ = 1, 30 do
        if not near:send(pattern.bytes(near:stats().sent, own:number(1, 3000))) then return end
        arsenal.sleep(own:time(1e-3))
      end
    end,
    missing = function(own)
      near:close()
      local data, message
      repeat
        data, message = far:recv()
        came(own, data, message)
      until not data
      local sent = near:stats().sent
      own:check(total == sent or is_tls and not ended, "%d bytes came of %d, and then %s", total, sent, message)
      return 0
    end,
  }
end

-- Receives what is there by another choice.
function sources.readable(random, context)
  local source = sources.stream(random, context)
  local stream, came = source.case, source.came
  source.closes = stream
  source.case = arsenal.readable(stream)
  function source.came(own, is_readable, _, code)
    own:check(is_readable == true or code == "BUSY" or code == "CLOSED", "a stream is readable: %s", code)
    local ready, data, message = arsenal.select({ stream }, 0)
    if ready and message == nil then came(own, data) end
  end
  return source
end

function sources.datagrams()
  local receiver = assert(arsenal.udp.bind("127.0.0.1", 0))
  local sender, ledger = assert(arsenal.udp.connect(receiver:local_address())), new_ledger()
  local function came(context, data)
    local number = data and #data == 8 and string.unpack("<I8", data)
    if number and (ledger.sent[number] or ledger.maybe[number]) then note(context, ledger, number) end
  end
  return {
    case = receiver, also = sender, came = came,
    feed = function(own)
      for _ = 1, MOST_DATAGRAMS do
        local number = own:bits()
        ledger.maybe[number] = true
        if not sender:send(string.pack("<I8", number)) then return end
        ledger.sent[number] = true
        arsenal.sleep(own:time(2e-3))
      end
    end,
    missing = function(context) return count_missing_after(context, ledger, receiver, came) end,
  }
end

-- Clients are known by their ports.
function sources.listener(_, _, opened)
  local listener, ledger = kit.listen(), new_ledger()
  local port = kit.port_of(listener)
  local function came(context, stream)
    if not stream then return end
    local _ <close> = stream
    local _, client_port = stream:remote_address()
    ledger.maybe[client_port] = true
    note(context, ledger, client_port)
  end
  return {
    case = listener, came = came,
    feed = function(own)
      for _ = 1, MOST_CLIENTS do
        local client = arsenal.tcp.connect("127.0.0.1", port)
        if not client then return end
        opened[#opened + 1] = client
        ledger.sent[select(2, client:local_address())] = true
        arsenal.sleep(own:time(2e-3))
      end
    end,
    missing = function(context) return count_missing_after(context, ledger, listener, came) end,
  }
end

-- Things that happen ---------------------------------------------------

function sources.event()
  local event, sets = arsenal.event(), 0
  return {
    case = event,
    look = function() return event:is_set() and math.huge or sets end,
    came = function(context, done, before)
      if done then context:check(before == math.huge or sets > before, "an event came that was not set") end
    end,
    feed = function(own)
      while true do
        if own:chance(60) then
          sets = sets + 1
          event:set()
        else
          event:clear()
        end
        arsenal.sleep(own:time(2e-3))
      end
    end,
  }
end

function sources.future(random)
  local future, value = arsenal.future(), random:bits()
  return {
    case = future,
    came = function(context, first, second)
      if first == nil then return end
      context:check(future:is_set() and first == value and second == "second", "a future has come as %s", first)
    end,
    feed = function(own)
      arsenal.sleep(own:time(2e-2))
      future:set(value, "second")
    end,
  }
end

function sources.task(random)
  local value, time, has_ended = random:bits(), random:time(2e-2), false
  local task = arsenal.background(function()
    arsenal.sleep(time)
    has_ended = true
    return value, "second"
  end)
  return {
    case = task, closes = { close = function() task:cancel() end },
    came = function(context, first, second)
      if first == nil then return end
      context:check(has_ended and first == value and second == "second", "a task came as %s", first)
    end,
  }
end

function sources.timer(random)
  local seconds, began = random:time(2e-2), arsenal.now()
  return {
    case = arsenal.after(seconds),
    came = function(context, done)
      if done then context:check(arsenal.now() - began >= seconds, "a timer came early") end
    end,
  }
end

function sources.ticker(random)
  local seconds, began, seen = random:time(1e-2) + 1e-4, arsenal.now(), {}
  return {
    case = arsenal.every(seconds),
    came = function(context, number)
      if not number then return end
      context:check(not seen[number], "the firing %s came twice", number)
      context:check((arsenal.now() - began) * 1.000001 >= number * seconds, "the firing %s came early", number)
      seen[number] = true
    end,
  }
end

local kinds = {}
for kind in pairs(sources) do kinds[#kinds + 1] = kind end
table.sort(kinds)

-- --- Choices ---

-- Some of the sources, some more than once: a list of cases, the sources by case, what `look` has seen, and the sends.
local function new_choice(random, all)
  local choice = { cases = {}, by_case = {}, seen = {}, sends = {} }
  for i = 1, random:number(1, 8) do
    local source = random:pick(all)
    choice.cases[i] = source.case
    if source.new_case then
      local case, settle = source.new_case()
      choice.cases[i] = case
      choice.sends[#choice.sends + 1] = { object = source.case, settle = settle }
    end
    choice.by_case[source.case] = source
    choice.seen[source] = source.look and source.look()
  end
  return choice
end

-- Notes what was sent: `object` was chosen, and has done it or not. A channel may be several cases: it is not known
-- then which of its numbers was sent.
local function settle(choice, object, is_done)
  local sent = {}
  for _, send in ipairs(choice.sends) do
    if is_done and send.object == object then sent[#sent + 1] = send else send.settle(false) end
  end
  if #sent == 1 then sent[1].settle(true) end
end

-- Chooses once. What comes is noted straight after.
local function choose(context, state)
  local random = context.random
  local choice = new_choice(random, state.sources)
  local _ <close> = closing.call(function(err) -- a call that raised a cancellation had no effect
    if arsenal.is_cancelled(err) and not choice.is_over then settle(choice, nil, false) end
  end)
  local limit = random:pick { 0, random:time(2e-3), random:time(2e-3), math.huge }
  if limit == math.huge then choice.cases[#choice.cases + 1] = state.over end
  local results = table.pack(arsenal.select(choice.cases, limit))
  choice.is_over = true
  local ready = results[1]
  local source = choice.by_case[ready]
  if not source then
    settle(choice, nil, false)
    context:check(ready == state.over or results[3] == "TIMEOUT", "select: %s", results[2])
    return
  end
  settle(choice, ready, results[2])
  context:count(source.kind)
  if source.look then
    source.came(context, results[2], choice.seen[source])
  elseif source.came then
    source.came(context, table.unpack(results, 2, results.n))
  end
end

local function choose_often(context, state)
  for _ = 1, context.random:number(10, 60) do
    ways.any(context, choose, context, state)
    if state.over:is_set() then return end
  end
end

-- --- The act ---

local function new_sources(context, opened)
  local random, list = context.random, {}
  for i = 1, random:number(2, 7) do
    local kind = random:pick(kinds)
    local source = sources[kind](random, context, opened)
    source.kind = kind
    opened[#opened + 1] = source.closes or source.case
    opened[#opened + 1] = source.also
    list[i] = source
  end
  return list
end

-- Lets marauders close some of the sources, until the result is closed.
local function expose_some(context, state)
  local exposures = {}
  for _, source in ipairs(state.sources) do
    source.exposed = { happened = false }
    if context.random:chance(20) then
      local object = source.closes or source.case
      source.exposed = context:expose("a close of its " .. source.kind, function() object:close() end)
      exposures[#exposures + 1] = source.exposed
    end
  end
  return closing.all(exposures)
end

local function run_choices(context, state)
  arsenal.group(function(group)
    local choosers = {}
    for _, source in ipairs(state.sources) do
      if source.feed then group:background(source.feed, context.random:fork(), context) end
    end
    for i = 1, context.random:number(1, 4) do
      choosers[i] = context:go(group, "choose", choose_often, state)
    end
    group:background(function()
      arsenal.sleep(0.1)
      state.over:set()
    end)
    for _, chooser in ipairs(choosers) do
      chooser.task:join()
      state.losses = state.losses + chooser.losses
    end
  end)
end

local function judge(context, state)
  local missing, where = 0, {}
  for _, source in ipairs(state.sources) do
    local count = source.missing and not source.exposed.happened and source.missing(context) or 0
    if count > 0 then where[#where + 1] = ("%d of %s"):format(count, source.kind) end
    missing = missing + count
  end
  context:check(missing <= state.losses, "%s are missing, %d things may be", table.concat(where, ", "), state.losses)
end

local function run(context)
  local opened = {}
  local _ <close> = closing.all(opened)
  local state = { over = arsenal.event(), losses = 0, sources = new_sources(context, opened) }
  do
    local _ <close> = expose_some(context, state)
    run_choices(context, state)
  end
  judge(context, state)
end

return { { name = "choices", run = run } }
