-- examples/embed_poll.lua, embed_luv.lua: arsenal's tasks and another loop beside each other.

local arsenal = require("arsenal")
local example = require("spec.kit.example")
local kit = require("spec.kit")

local inside <const> = kit.inside

local function has(library)
  return package.searchpath(library, package.path) or package.searchpath(library, package.cpath)
end

-- Starts the example, and calls fn(port, program). It takes the number of its TCP port for datagrams, too, which
-- another program may have.
local function with_both(name, fn)
  while true do
    local program <close> = example.start(name, nil, "127.0.0.1", 0)
    local line = program:line()
    if line then
      fn(math.tointeger(line:match("127%.0%.0%.1:(%d+)")), program)
      return example.terminate(program)
    end
    local result = program:finish()
    assert.matches("address already in use", result.err)
  end
end

local function is_asleep(pid)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
  return file:read("a"):match("^.*%) (%a)") == "S"
end

local function says_the_time(port)
  local socket <close> = assert(arsenal.udp.connect("127.0.0.1", port))
  socket:set_timeout(kit.limit / 2)
  socket:send("?")
  assert.matches("%d%d:%d%d:%d%d", socket:recv())
end

local function echoes(port, seed)
  local stream <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
  stream:set_timeout(kit.limit / 2)
  local data = kit.random_bytes(kit.bytes(100000), seed)
  local sending = arsenal.go(stream.send, stream, data)
  kit.same_bytes(data, assert(stream:recv_exactly(#data)))
  assert.equal(#data, sending:join())
end

for name, library in pairs { embed_poll = "socket.core", embed_luv = "luv" } do
  local it = has(library) and it or kit.pending(library .. " is not installed")
  describe("examples/" .. name .. ".lua", function()
    it("serves in arsenal's tasks and in the loop's own way", inside(function()
      with_both(name, function(port)
        says_the_time(port)
        arsenal.group(function(group)
          for i = 1, kit.count(20) do group:go(echoes, port, i) end
          says_the_time(port)
        end)
        says_the_time(port)
      end)
    end))

    it("sleeps while there is nothing to do", inside(function()
      with_both(name, function(port, program)
        echoes(port, 1)
        says_the_time(port)
        kit.turn_until(function() return is_asleep(program.pid) end)
      end)
    end))

    it("ends the connections at SIGTERM", inside(function()
      local stream
      with_both(name, function(port)
        stream = assert(arsenal.tcp.connect("127.0.0.1", port))
        stream:set_timeout(kit.limit / 2)
        stream:send("x")
        assert.equal("x", stream:recv())
      end)
      assert.is_nil((stream:recv()))
      stream:close()
    end))

    it("says why it cannot listen, and fails", inside(function()
      local taken <close> = kit.listen()
      local result = example.start(name, nil, "127.0.0.1", kit.port_of(taken)):finish()
      assert.equal(1, result.status)
      assert.matches("listen 127.0.0.1:%d+: address already in use", result.err)
    end))
  end)
end
