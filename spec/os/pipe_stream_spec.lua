-- src/stream/pipe_stream.c: the pipes of processes are streams. The conformance suites, and what is a pipe's own.

local arsenal = require("arsenal")
local behaves_like_a_handle = require("spec.kit.conformance.handle")
local behaves_like_a_stream = require("spec.kit.conformance.stream")
local kit = require("spec.kit")

local inside <const> = kit.inside
local start <const> = arsenal.process.start

local function cat()
  return assert(start { "cat", stderr = "inherit" })
end

describe("the pipes of a process", function()
  -- The suites want two ends that both send and receive. Each end here has the input of one `cat` and the output of
  -- another one.
  local End = {}

  local function the_end(sends, receives)
    return setmetatable({ sends = sends, receives = receives }, End)
  end

  local function pair()
    local there, back = cat(), cat()
    local a, b = the_end(there.stdin, back.stdout), the_end(back.stdin, there.stdout)
    local both = { there, back }
    a.peer, b.peer, a.both, b.both = b, a, both, both
    return a, b
  end

  local function results(...) return ... end

  -- Errors name it as a method, because this is no tail call.
  function End:send(...)
    return results(self.sends:send(...))
  end

  function End:shutdown()
    return self.sends:shutdown()
  end

  for _, name in ipairs { "recv", "recv_exactly", "recv_until", "recv_line", "recv_all", "peek", "unread", "chunks",
    "lines" } do
    End[name] = function(self, ...) return self.receives[name](self.receives, ...) end
  end

  function End:set_timeout(limits)
    self.sends:set_timeout(limits)
    return self.receives:set_timeout(limits)
  end

  function End:stats()
    return { sent = self.sends:stats().sent, received = self.receives:stats().received }
  end

  function End:close()
    self.closed = true
    return self.sends:close() and self.receives:close()
  end

  End.reset = End.close

  -- The programs end when both ends are closed.
  function End:__close()
    self:close()
    if not self.peer.closed then return end
    for _, process in ipairs(self.both) do process:close() end
  end

  End.__index = End

  local real_copy <const>, real_proxy <const> = arsenal.copy, arsenal.proxy

  setup(function()
    arsenal.copy = function(from, to, options) return real_copy(from.receives, to.sends, options) end
    arsenal.proxy = function(a, b)
      local back
      local other = arsenal.go(function()
        back = assert(real_copy(b.receives, a.sends))
        a.sends:shutdown()
      end)
      local there = assert(real_copy(a.receives, b.sends))
      b.sends:shutdown()
      other:join()
      return there, back
    end
  end)

  teardown(function() arsenal.copy, arsenal.proxy = real_copy, real_proxy end)

  behaves_like_a_stream(pair, { reset = false, small_buffers = false, relayed = true })
end)

describe("a pipe stream", function()
  -- The processes live as long as their pipes.
  behaves_like_a_handle(function() return cat().stdout end, {
    text = "^pipe stream stdout of process %d+$",
    calls = {
      recv = {},
      recv_exactly = { 1 },
      recv_until = { ";" },
      recv_line = {},
      recv_all = {},
      peek = { 1 },
      unread = { "x" },
      send = { "x" },
      shutdown = {},
      close = {},
      reset = {},
      set_timeout = { 1 },
      set_option = { "send_buffer", 4096 },
      local_address = {},
      remote_address = {},
      fd = {},
      stats = {},
    },
  })

  it("that sends does not receive, and says so", inside(function()
    local process <close> = cat()
    for _, name in ipairs { "recv", "recv_line", "recv_all" } do
      assert.matches("only sends", kit.fails("EBADF", process.stdin[name](process.stdin)), 1, true)
    end
    kit.fails("EBADF", process.stdin:recv_exactly(1))
    kit.fails("EBADF", process.stdin:peek(1))
    assert.equal(process.stdin, (arsenal.select { process.stdin }))
  end))

  it("that receives does not send, and says so", inside(function()
    local process <close> = cat()
    local message, sent = kit.fails("EBADF", process.stdout:send("x"))
    assert.matches("only receives", message, 1, true)
    assert.equal(0, sent)
    assert.is_true(process.stdout:shutdown())
  end))

  it("cannot have TLS", inside(function()
    local process <close> = cat()
    local ok, err = pcall(process.stdin.start_tls, process.stdin, { verify = false })
    assert.is_false(ok)
    assert.matches("pipe", tostring(err), 1, true)
  end))

  it("has a descriptor until its sending direction has ended", inside(function()
    local process <close> = cat()
    assert.equal("integer", math.type(process.stdin:fd()))
    process.stdin:shutdown()
    kit.fails("EBADF", process.stdin:fd())
    assert.is_nil(process.stdout:recv())
    kit.fails("ENOTSOCK", process.stdout:local_address())
  end))

  it("is a case of select", inside(function()
    local first <close> = cat()
    local second <close> = cat()
    second.stdin:send("second")
    local chosen, data = arsenal.select { first.stdout, second.stdout }
    assert.equal(second.stdout, chosen)
    assert.equal("second", data)
  end))

  it("is copied to and from other streams", inside(function()
    kit.with_pair(function(ours, theirs)
      local process <close> = cat()
      local data = kit.random_bytes(1000):rep(4000)
      local sending = arsenal.go(function()
        ours:send(data)
        ours:shutdown()
      end)
      local back = arsenal.go(ours.recv_all, ours)
      local there = arsenal.go(function()
        local count = arsenal.copy(theirs, process.stdin)
        process.stdin:shutdown()
        return count
      end)
      assert.equal(#data, arsenal.copy(process.stdout, theirs))
      theirs:shutdown()
      assert.equal(#data, there:join())
      kit.same_bytes(data, back:join())
      sending:join()
      assert.equal(0, process:wait())
    end)
  end))

  it("is joined by proxy in the direction that it has", inside(function()
    local first <close> = cat()
    local second <close> = cat()
    first.stdin:send("through both")
    first.stdin:shutdown()
    assert.same({ 12, 0 }, { arsenal.proxy(first.stdout, second.stdin) })
    assert.equal("through both", second.stdout:recv_all())
  end))

  it("keeps its process while it is reachable", inside(function()
    local output = assert(start { "sh", "-c", "read line; echo $line", stderr = "null" })
    local stdin, stdout = output.stdin, output.stdout
    output = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    stdin:send("still there\n")
    assert.equal("still there", stdout:recv_line())
    assert.is_nil(stdout:recv())
    stdin:close()
    stdout:close()
    kit.turn_until(function() return arsenal.stats().handles.process == 0 end)
  end))
end)
