-- src/net/listener.c, src/event/poller.c: epoll_ctl without resources (#case47), which a library between the
-- program and the kernel makes up.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local it <const> = kit.one_byte and kit.pending("one byte at a time: its library is in the way of another one")
  or package.cpath:find("build-uv", 1, true) and kit.pending("libuv's poller ends the process for want of watches")
  or it

local inside <const> = kit.inside

-- Functions for the child: begin a shortage, end it, and that a call fails for want of watches.
local PRELUDE <const> = [[
  local file = os.getenv("ARSENAL_NO_WATCHES")
  local function shortage() assert(io.open(file, "w")):close() end
  local function plenty() os.remove(file) end
  local function is_short(what, value, message, code)
    assert(value == nil and code == "ENOSPC", what)
    assert(message:find("no space left on device", 1, true), message)
  end
  ]]

local function start(source)
  local file = os.tmpname()
  os.remove(file)
  local library = child.library("no_watches")
  return child.lua(PRELUDE .. source, {
    under = ('env LD_PRELOAD="$LD_PRELOAD %s" ARSENAL_NO_WATCHES=%s'):format(library, file),
  })
end

local function succeeds(source)
  local result = start(source):finish()
  assert.equal(0, result.status, result.err)
  assert.equal("", result.err)
end

describe("without resources for a watch", function()
  it("serve pauses, counts, accepts all the same, and goes on afterwards", inside(function()
    local server <close> = start [[
      arsenal.run(function()
        local listener = arsenal.tcp.listen("127.0.0.1", 0)
        shortage()
        local has_failed = arsenal.event()
        local serving = arsenal.go(listener.serve, listener, function(stream)
          local line = stream:recv_line()
          if not line then has_failed:set() end
          stream:send(line or "short", "\n")
          if line == "quit" then listener:close() end
        end)
        print(select(2, listener:local_address()))
        while listener:stats().refused < 3 do arsenal.sleep(0.01) end
        print("paused")
        has_failed:wait()
        plenty()
        print("plenty")
        serving:join()
        print(arsenal.stats().timers)
      end)]]
    local port = math.tointeger(server:expect("^%d+$"))
    server:expect("paused")
    local early <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
    server:expect("plenty")
    assert.equal("short", early:recv_line())
    for _, line in ipairs { "hello", "quit" } do
      local client <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
      client:send(line, "\n")
      assert.equal(line, client:recv_line())
    end
    local result = server:finish()
    assert.equal(0, result.status, result.err)
    assert.equal("", result.err)
  end))

  it("a select with a listener waits, and goes on afterwards", inside(function()
    succeeds [[
      arsenal.run(function()
        local listener = arsenal.tcp.listen("127.0.0.1", 0)
        shortage()
        local selecting = arsenal.go(arsenal.select, { listener })
        while listener:stats().refused < 2 do arsenal.sleep(0.01) end
        plenty()
        local client = assert(arsenal.tcp.connect("127.0.0.1", select(2, listener:local_address())))
        local case, stream = selecting:join()
        assert(case == listener and stream)
        stream:close()
        client:close()
        listener:close()
      end)]]
  end))

  it("a stream's wait fails, and a later one does not", inside(function()
    succeeds [[
      arsenal.run(function()
        local listener = arsenal.tcp.listen("127.0.0.1", 0)
        local client = assert(arsenal.tcp.connect("127.0.0.1", select(2, listener:local_address())))
        local stream = assert(listener:accept())
        shortage()
        is_short("recv", stream:recv())
        is_short("recv_line", stream:recv_line())
        is_short("select", select(2, arsenal.select { stream }))
        plenty()
        local receiving = arsenal.go(stream.recv_line, stream)
        arsenal.yield()
        client:send("hello\n")
        assert(receiving:join() == "hello")
        local other = assert(arsenal.tcp.connect("127.0.0.1", select(2, listener:local_address())))
        local full = assert(listener:accept())
        shortage()
        local value, message, code, sent = full:send(("x"):rep(1 << 24))
        is_short("send", value, message, code)
        assert(sent > 0)
        plenty()
        other:close()
        full:close()
        client:close()
        stream:close()
        listener:close()
      end)]]
  end))

  it("connecting fails, and leaves nothing behind", inside(function()
    succeeds [[
      arsenal.run(function()
        local listener = arsenal.tcp.listen("127.0.0.1", 0)
        local port = select(2, listener:local_address())
        local udp = arsenal.udp.bind("127.0.0.1", 0)
        shortage()
        is_short("connect", arsenal.tcp.connect("127.0.0.1", port))
        is_short("recv_from", udp:recv_from())
        plenty()
        assert(arsenal.tcp.connect("127.0.0.1", port)):close()
        udp:send_to("x", udp:local_address())
        assert(udp:recv_from() == "x")
        udp:close()
        listener:close()
        for kind, count in pairs(arsenal.stats().handles) do assert(count == 0, kind) end
      end)]]
  end))
end)
