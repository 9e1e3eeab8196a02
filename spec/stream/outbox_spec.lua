-- src/event/outbox.c, src/stream/send.c: small messages that are sent while other tasks are ready go to the kernel
-- together. What another task does to a stream comes behind what was sent on it.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local posix = require("spec.kit.posix")

local inside <const> = kit.inside

local beside -- a stream on which another message goes out at the same time: one alone needs no ring

-- Calls fn with the two ends of a connection.
local function with_pair(fn)
  kit.with_pair(function(other)
    beside = other
    kit.with_pair(fn)
  end)
end

-- Starts a task that sends `text`, which is in the outbox then, and not alone; returns the task. After tasks that
-- took long, as on a busy machine, messages are sent at once for a while.
local function posted(near, far, text)
  for _ = 1, 1000 do
    local task = arsenal.go(near.send, near, text)
    arsenal.go(beside.send, beside, "beside")
    arsenal.yield()
    if task:status() == "waiting" then return task end
    task:join()
    kit.expect(far, text)
  end
  error("no message came into the outbox")
end

-- The task's message has arrived, and the stream has ended behind it. Where the kernel takes one byte at a time, what
-- is left when the stream ends is lost, as without an outbox: then the count that the send returned has arrived.
local function is_the_last(task, far, text)
  local sent, _, _, count = task:join()
  if not kit.one_byte then assert.equal(#text, sent) end
  assert.equal(text:sub(1, sent or count), far:recv_all())
end

-- The message is in the kernel although its task has not gone on.
local function was_flushed(task)
  if not kit.one_byte then assert.equal("ready", task:status()) end
end

local function with_pairs(count, fn)
  local nears, fars = {}, {}
  for i = 1, count do nears[i], fars[i] = kit.tcp_pair() end
  fn(nears, fars)
  for i = 1, count do
    nears[i]:close()
    fars[i]:close()
  end
end

describe("messages of many tasks in one turn", function()
  it("arrive whole, and each send returns its size", inside(function()
    with_pairs(70, function(nears, fars)
      local tasks = {}
      for i, near in ipairs(nears) do
        local text = ("%d,"):format(i):rep(i % 7 == 0 and 1000 or 10)
        tasks[i] = arsenal.go(function()
          for _ = 1, 3 do assert.equal(#text, near:send(text)) end
          return text:rep(3)
        end)
      end
      for i, far in ipairs(fars) do kit.expect(far, tasks[i]:join()) end
    end)
  end))

  it("keep their order on one stream", inside(function()
    kit.with_pair(function(near, far)
      local expected = {}
      for i = 1, 200 do
        expected[i] = ("%d."):format(i)
        arsenal.go(near.send, near, expected[i])
      end
      kit.expect(far, table.concat(expected))
    end)
  end))

  it("wait for their turn when the kernel takes no more", inside(function()
    with_pairs(3, function(nears, fars)
      local text, count = ("0123456789"):rep(400), kit.one_byte and 1 or 100
      for _, near in ipairs(nears) do
        kit.small_buffers(near)
        arsenal.go(function()
          for _ = 1, count do assert.equal(#text, near:send(text)) end
        end)
      end
      for _ = 1, 20 do arsenal.yield() end
      for _, far in ipairs(fars) do
        kit.same_bytes(text:rep(count), far:recv_exactly(#text * count))
      end
    end)
  end))

  it("fail each for itself", inside(function()
    with_pairs(3, function(nears, fars)
      fars[2]:reset()
      local results = arsenal.map(nears, function(near)
        local results
        repeat results = table.pack(near:send("x")) until near ~= nears[2] or not results[1]
        return results
      end)
      assert.equal(1, results[1][1])
      assert(results[2][3] == "EPIPE" or results[2][3] == "ECONNRESET", results[2][3])
      assert.equal(0, results[2][4])
      assert.equal(1, results[3][1])
    end)
  end))

  it("do not wait for tasks that take long", inside(function()
    with_pair(function(near, far)
      local sent_before = near:stats().sent
      local seen
      local task = posted(near, far, "hello")
      for _ = 1, 12 do
        arsenal.go(function()
          local ended = arsenal.now() + 0.001
          repeat until arsenal.now() > ended
          seen = near:stats().sent
        end)
      end
      task:join()
      arsenal.yield()
      assert(seen > sent_before or kit.one_byte)
      kit.expect(far, "hello")
    end)
  end))
end)

describe("a message in the outbox", function()
  it("is not sent if its task is cancelled, and the next one is", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "never")
      local sent = near:stats().sent
      task:cancel()
      kit.fails("CANCELLED", task:join())
      assert.equal(sent, near:stats().sent)
      assert.equal(5, near:send("after"))
      kit.expect(far, "after")
    end)
  end))

  it("is sent before its time limit can end", inside(function()
    with_pair(function(near, far)
      local task = arsenal.go(arsenal.timeout, 0, near.send, near, "in time")
      arsenal.yield()
      local sent, _, code = task:join()
      assert.equal(kit.one_byte and sent == nil and "TIMEOUT" or nil, code)
      local stats = near:stats()
      near:shutdown()
      assert.equal(("in time"):sub(1, sent or stats.sent), far:recv_all())
    end)
  end))

  it("makes its task wait to send", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "x")
      local words = arsenal.dump()
      assert(words:find("sending on tcp stream", 1, true), words)
      assert.equal(1, task:join())
    end)
  end))

  for name, act in pairs {
    close = function(near) near:close() end,
    shutdown = function(near) near:shutdown() end,
  } do
    it(("is sent before a %s by another task"):format(name), inside(function()
      with_pair(function(near, far)
        local task = posted(near, far, "last words")
        act(near)
        is_the_last(task, far, "last words")
      end)
    end))
  end

  it("is sent before a reset by another task", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "last words")
      near:reset()
      was_flushed(task)
      local sent = task:join()
      if not kit.one_byte then assert.equal(10, sent) end
    end)
  end))

  it("is sent before an option is set", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "x")
      near:set_option("nodelay", false)
      was_flushed(task)
      kit.expect(far, "x")
    end)
  end))

  it("is sent before the descriptor is handed out", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "first ")
      assert(near:fd() >= 0)
      was_flushed(task)
      kit.expect(far, "first ")
    end)
  end))

  it("is sent before the stream goes to a worker", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "first ")
      if kit.one_byte then
        task:join() -- it may be in the middle of its message, which refuses the move
      end
      local worker = arsenal.worker(function(stream)
        stream:send("second")
        stream:close()
        return true
      end, near)
      assert.equal(6, task:join())
      assert(worker:join())
      assert.equal("first second", far:recv_all())
    end)
  end))

  it("is sent before its stream goes to another process", inside(function()
    with_pair(function(near, far)
      local bus <close> = assert(arsenal.unix.listen("\0arsenal.outbox." .. kit.process_id()))
      local left <close> = assert(arsenal.unix.connect(bus:local_address()))
      local right <close> = assert(bus:accept())
      local task = posted(near, far, "first ")
      assert.equal(1, left:send_handles("x", { near }))
      was_flushed(task)
      local _, handles = right:recv_handles()
      assert.equal(6, task:join())
      assert.equal(6, handles[1]:send("second"))
      handles[1]:close()
      kit.expect(far, "first second")
    end)
  end))

  it("is sent before the stream becomes a TLS stream", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "go ahead")
      if kit.one_byte then
        task:join() -- it may be in the middle of its message, which refuses the upgrade
      end
      local upgrading = arsenal.go(function()
        kit.expect(far, "go ahead")
        return far:start_tls { server_name = "localhost", ca_file = certificates.trusted() }
      end)
      assert(near:start_tls(certificates.of("localhost")))
      assert(upgrading:join())
      assert.equal(8, task:join())
      near:send("secret")
      kit.expect(far, "secret")
    end)
  end))

  it("is sent before what a program writes that gets the stream", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "first ")
      if kit.one_byte then task:join() end
      local program <close> = assert(arsenal.process.start { "printf", "second", stdout = near, stdin = "null" })
      assert(program:wait())
      assert.equal(6, task:join())
      kit.expect(far, "first second")
    end)
  end))

  it("is sent before what another task copies", inside(function()
    with_pair(function(near, far)
      local source <close>, mouth = kit.tcp_pair()
      local _ <close> = mouth
      mouth:send("second")
      mouth:shutdown()
      local task = posted(near, far, "first ")
      assert.equal(6, arsenal.copy(source, near))
      kit.expect(far, "first second")
      task:join()
    end)
  end))

  it("leaves the stream usable if the coroutine that sends it is closed", inside(function()
    with_pair(function(near, far)
      for _ = 1, 100 do
        local co = arsenal.coroutine.create(function() return near:send(("gone"):rep(2)) end)
        local task = arsenal.go(arsenal.coroutine.resume, co)
        arsenal.go(beside.send, beside, "beside")
        arsenal.yield()
        local was_posted = task:status() == "waiting"
        if was_posted then
          coroutine.close(co)
          collectgarbage()
        end
        local resumed = task:join()
        assert.equal(not was_posted, resumed)
        if not was_posted then kit.expect(far, "gonegone") end
        assert.equal(5, near:send("after"))
        kit.expect(far, "after")
      end
    end)
  end))

  it("is sent once, whatever a forked child does", inside(function()
    with_pair(function(near, far)
      local task = posted(near, far, "once")
      local pid = posix.fork()
      if pid == 0 then
        pcall(near.close, near)
        collectgarbage()
        posix.exit(0)
      end
      assert.equal(0, posix.wait(pid))
      assert.equal(4, task:join())
      near:shutdown()
      assert.equal("once", far:recv_all())
    end)
  end))

  it("is sent before the state is closed", inside(function()
    local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0))
    local ended = arsenal.go(child.run_lua, [[
      arsenal.run(function()
        local near = arsenal.tcp.connect("127.0.0.1", tonumber(arg[1]))
        arsenal.go(near.send, near, "last words")
        arsenal.yield()
        os.exit(0, true)
      end)]], nil, tostring(select(2, listener:local_address())))
    local far <close> = assert(listener:accept())
    local text = far:recv_all()
    if not kit.one_byte then assert.equal("last words", text) end
    local result = ended:join()
    assert.equal(0, result.status, result.err)
    assert.equal("", result.err)
  end))

  -- In each round a letter is written while another task is ready, unless tasks took long before.
  for name, run in pairs {
    run_once = function() arsenal.run_once(0) end,
    ["a call that waits outside of all tasks"] = function() arsenal.yield() end,
  } do
    it(("is sent when %s returns"):format(name), function()
      local near, far = kit.tcp_pair()
      for round = 1, 100 do
        local task = arsenal.go(near.send, near, "x")
        arsenal.go(function() end)
        run()
        if not kit.one_byte then assert.equal(round, near:stats().sent) end
        assert.equal(1, task:join())
        kit.expect(far, "x")
      end
      near:close()
      far:close()
    end)
  end
end)

-- Where this is set, messages that are sent together need no ring: see spec/system/send_ring_spec.lua.
if os.getenv("ARSENAL_IO_URING") ~= "0" then
  describe("the outbox without a ring", function()
    it("keeps the same promises", function()
      local lua = os.getenv("LUA") or "lua5.4"
      local result = child.run("env ARSENAL_IO_URING=0 "
        .. child.command(lua, "tools/busted.lua", "--ignore-lua", "spec/stream/outbox_spec.lua"))
      assert.equal(0, result.status, result.out .. result.err)
    end)
  end)
end
