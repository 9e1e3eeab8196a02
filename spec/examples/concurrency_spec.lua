-- examples/pipeline.lua, worker_pool.lua, happy_path_timeout.lua, echo_workers.lua, sqlite.lua, as a user runs them.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

local SIGINT <const> = 2

local function run(name, options, ...)
  return child.run_lua(("dofile('examples/%s.lua')"):format(name), options, ...)
end

describe("examples/pipeline.lua", function()
  it("counts words, the most frequent first", inside(function()
    local result = run("pipeline", { input = ("one two Two\nthree, three: THREE!\n"):rep(200) })
    assert.equal("", result.err)
    assert.equal("   600 three\n   400 two\n   200 one\n", result.out)
  end))

  it("ends with no input", inside(function()
    local result = run("pipeline")
    assert.equal("", result.err)
    assert.equal("", result.out)
  end))
end)

describe("examples/worker_pool.lua", function()
  it("ends with the first result", inside(function()
    local result = run("worker_pool", nil, 2, 5)
    assert.equal("", result.err)
    assert.matches("^%d+ has the hash 00%x%x%x%x%x%x\n$", result.out)
  end))
end)

describe("examples/happy_path_timeout.lua", function()
  -- A server that answers or not; what it receives goes to the list.
  local function server(received, answer)
    local listener, port = kit.server(function(stream)
      for line in stream:lines() do
        received[#received + 1] = line
        if answer and line == "hello" then stream:send(answer .. "\n") end
      end
    end)
    return listener, port
  end

  it("asks all, and says goodbye to each", inside(function()
    local received = {}
    local one <close>, first = server(received, "one")
    local two <close>, second = server(received, "two")
    local program <close> = child.lua("dofile('examples/happy_path_timeout.lua')", nil, kit.limit, first, second)
    local result = program:finish()
    assert.equal(("%d\tone\n%d\ttwo\nall answered\n"):format(first, second), result.out)
    kit.turn_until(function() return #received == 4 end)
    table.sort(received)
    assert.same({ "bye", "bye", "hello", "hello" }, received)
    assert(one and two)
  end))

  it("ends in time when one is silent, and says goodbye to it, too", inside(function()
    kit.doubling(0.3, function(limit)
      local received, silence = {}, {}
      local one <close>, first = server(received, "one")
      local two <close>, second = server(silence, nil)
      local program <close> = child.lua("dofile('examples/happy_path_timeout.lua')", nil, limit, first, second)
      local result = program:finish()
      if result.out:find("^%d+\tno answer") then return false end -- the machine was busy
      assert.equal(("%d\tone\n%d\tno answer\nthe time was up\n"):format(first, second), result.out)
      kit.turn_until(function() return #silence == 2 end)
      assert.same({ "hello", "bye" }, silence)
      assert(one and two)
      return true
    end)
  end))

  it("fails as a whole when one can't be asked", inside(function()
    local received = {}
    local one <close>, first = server(received, "one")
    local result = run("happy_path_timeout", nil, kit.limit, first, kit.dead_port)
    assert.equal(1, result.status)
    assert.matches("connection refused", result.err)
    assert(one)
  end))
end)

describe("examples/echo_workers.lua", function()
  for _, way in ipairs { "own", "shared" } do
    it(("echoes, with a listener that is %s"):format(way), inside(function()
      local program <close> = child.lua("dofile('examples/echo_workers.lua')", nil, "127.0.0.1", 0, way)
      local port = math.tointeger(program:expect("on 127.0.0.1:(%d+)"))
      for round = 1, 4 do
        local stream
        kit.turn_until(function() -- its workers have begun to listen
          stream = arsenal.tcp.connect("127.0.0.1", port)
          return stream
        end)
        stream:send("hello ", round, "\n")
        assert.equal("hello " .. round, stream:recv_line())
        stream:close()
      end
      program:signal("INT")
      assert.equal(SIGINT, program:finish().signal)
    end))
  end
end)

describe("examples/sqlite.lua", function()
  local has_driver = package.searchpath("luasql.sqlite3", package.cpath)
  local it = has_driver and it or kit.pending("luasql.sqlite3 is not installed")

  it("counts what several clients send", inside(function()
    local path = os.tmpname()
    local _ <close> = kit.on_close(function() os.remove(path) end)
    local program <close> = child.lua("dofile('examples/sqlite.lua')", nil, path, 0)
    local port = math.tointeger(program:expect("on port (%d+)"))
    arsenal.group(function(group)
      for _ = 1, 3 do
        group:go(function()
          local stream <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
          for _ = 1, 2 do
            stream:send("it's\n")
            assert(stream:recv_line())
          end
        end)
      end
    end)
    local stream <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
    stream:send("it's\n")
    assert.equal("it's 7", stream:recv_line())
  end))
end)
