-- src/net/accept_filter.c: what runs on each connection before accept returns it.

local arsenal = require("arsenal")
local core = require("arsenal.core")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- A listener whose connections go through fn, at most `most` at a time, and a function that connects to it.
local function filtered(fn, most)
  local listener = kit.listen()
  local host, port = listener:local_address()
  core.listener_filter(listener, fn, most or 10)
  return listener, function() return assert(arsenal.tcp.connect(host, port)) end
end

local function greet(stream)
  local name, message, code = stream:recv_line()
  if name then return stream end
  return nil, message, code
end

-- The same, one at a time, with a function that also goes on after it was cancelled, until finish is set; and how
-- many connections it has been called for.
local function filtered_stubbornly(finish)
  local started = 0
  local listener, connect = filtered(function(stream)
    started = started + 1
    arsenal.shield(finish.wait, finish)
    return stream
  end, 1)
  return listener, connect, function() return started end
end

describe("a listener's filter", function()
  it("gives accept the streams in the order in which they became ready", inside(function()
    local listener <close>, connect = filtered(greet)
    local accepting = arsenal.go(listener.accept, listener)
    local slow <close> = connect()
    local quick <close> = connect()
    kit.turn_until(function() return core.listener_filtering(listener) == 2 end)
    quick:send("quick\nfirst\n")
    local first <close> = assert(accepting:join())
    assert.equal("first", first:recv_line())
    slow:send("slow\nsecond\n")
    local second <close> = assert(listener:accept())
    assert.equal("second", second:recv_line())
    assert.same({ 0, 0, nil }, { core.listener_filtering(listener) })
    assert.equal(2, listener:stats().accepted)
  end))

  it("counts failures, closes their streams, and keeps the last message", inside(function()
    local listener <close>, connect = filtered(function() return nil, "not welcome", "EACCES" end)
    local accepting = arsenal.go(listener.accept, listener)
    local client <close> = connect()
    assert.is_nil(client:recv())
    assert.same({ 0, 1, "not welcome" }, { core.listener_filtering(listener) })
    assert.equal(0, listener:stats().accepted)
    listener:close()
    assert.is_nil((accepting:join()))
  end))

  for what, fn in pairs {
    ["an error"] = function() error("a bug", 0) end,
    ["another result than the stream"] = function() return true end,
  } do
    it("tells on_error of " .. what .. ", and closes the stream", inside(function()
      local listener <close>, connect = filtered(fn)
      local told = kit.recording_errors(function()
        local accepting = arsenal.go(listener.accept, listener)
        local client <close> = connect()
        assert.is_nil(client:recv())
        listener:close()
        assert.is_nil((accepting:join()))
      end)
      assert.equal(1, #told)
      assert.matches(what == "an error" and "a bug" or "returns its stream", told[1].err)
    end))
  end

  it("closes what nobody has accepted, and cancels what runs, when the listener is closed", inside(function()
    local reason
    local listener, connect = filtered(function(stream)
      local ok, line = pcall(stream.recv_line, stream)
      if ok then return stream end
      reason = line
      error(line)
    end)
    local accepting = arsenal.go(listener.accept, listener)
    local ready <close> = connect()
    local more <close> = connect()
    local running <close> = connect()
    kit.turn_until(function() return core.listener_filtering(listener) == 3 end)
    ready:send("ready\n")
    local accepted <close> = assert(accepting:join())
    accepted:send("hello")
    more:send("more\n")
    kit.turn_until(function() return core.listener_filtering(listener) == 1 end)
    listener:close()
    assert.is_nil(more:recv())
    assert.is_nil(running:recv())
    assert.is_true(core.is_cancelled(reason))
    assert.equal("hello", ready:recv())
  end))

  it("lets the oldest give way to a new one when it has as many as it may (#case46)", inside(function()
    local listener <close>, connect = filtered(greet, 2)
    local accepting = arsenal.go(listener.accept, listener)
    local first <close> = connect()
    local second <close> = connect()
    kit.turn_until(function() return core.listener_filtering(listener) == 2 end)
    local name = ("127.0.0.1:%d"):format(select(2, first:local_address()))
    local third <close> = connect()
    assert.is_nil(first:recv())
    local active, failed, reason = core.listener_filtering(listener)
    assert.same({ 2, 1 }, { active, failed })
    assert.equal("handshake with " .. name .. ": gave way to a newer connection, since 2 were unfinished", reason)
    third:send("third\n")
    local accepted <close> = assert(accepting:join())
    assert.same({ third:local_address() }, { accepted:remote_address() })
    second:send("second\n")
    assert(listener:accept()):close()
    assert.equal(2, listener:stats().accepted)
  end))

  it("gives out no stream that has given way, even if its function succeeds after all", inside(function()
    local finish = arsenal.event()
    local listener <close>, connect, started = filtered_stubbornly(finish)
    local accepting = arsenal.go(listener.accept, listener)
    local first <close> = connect()
    kit.turn_until(function() return started() == 1 end)
    local second <close> = connect()
    kit.turn_until(function() return started() == 2 end)
    finish:set()
    local accepted <close> = assert(accepting:join())
    assert.same({ second:local_address() }, { accepted:remote_address() })
    assert.is_nil(first:recv())
    assert.same({ 0, 1 }, { table.unpack({ core.listener_filtering(listener) }, 1, 2) })
  end))

  it("accepts no more while very many that gave way have not ended", inside(function()
    local finish = arsenal.event()
    local listener <close>, connect, started = filtered_stubbornly(finish)
    local accepting = arsenal.go(listener.accept, listener)
    local clients = {}
    for i = 1, 80 do clients[i] = connect() end
    kit.turn_until(function() return started() >= 65 end)
    kit.polls(3)
    assert.equal(65, started())
    assert.equal(0, (select(2, core.listener_filtering(listener))))
    finish:set()
    local accepted <close> = assert(accepting:join())
    assert.same({ clients[65]:local_address() }, { accepted:remote_address() })
    for _, client in ipairs(clients) do client:close() end
  end))
end)
