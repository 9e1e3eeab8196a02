-- arsenal.socket has LuaSocket's results and words: each call of spec/compat/socket_scenarios.lua is made on both.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local run = require("spec.compat.socket_scenarios")

local has_luasocket = pcall(require, "socket.core")
local it_with_luasocket = has_luasocket and it or kit.pending("LuaSocket is not installed")

local function lines_of_luasocket()
  local lua = os.getenv("LUA") or "lua5.4"
  local result = assert(arsenal.process.run { lua, "spec/compat/socket_scenarios.lua", "socket", check = true })
  return result.stdout
end

local function lines_of(module)
  local lines = run(require(module))
  for i, line in ipairs(lines) do lines[i] = line:gsub("\n", "n") .. "\n" end
  return table.concat(lines)
end

describe("arsenal.socket", function()
  it_with_luasocket("gives the results that LuaSocket gives", kit.inside(function()
    assert.are.equal(lines_of_luasocket(), lines_of("arsenal.socket"))
  end))

  it("works outside of tasks", kit.outside(function()
    assert.is_true(#run(require("arsenal.socket")) > 700)
  end))

  it("lets other tasks run while a call waits", kit.inside(function()
    local socket = require("arsenal.socket")
    local server = assert(socket.bind("127.0.0.1", 0))
    local host, port = server:getsockname()
    local accepting = arsenal.go(function()
      local client <close> = assert(server:accept())
      return client:receive("*a")
    end)
    local client = assert(socket.connect(host, port))
    client:send("hello")
    client:close()
    assert.are.equal("hello", (accepting:join()))
    server:close()
  end))

  it("keeps the bytes of a receive that is cancelled", kit.inside(function()
    local socket = require("arsenal.socket")
    local server <close> = assert(socket.bind("127.0.0.1", 0))
    local host, port = server:getsockname()
    local client <close> = assert(socket.connect(host, port))
    local accepted <close> = assert(server:accept())
    accepted:send("half a li")
    local reader = kit.waiting(client.receive, client)
    reader:cancel()
    reader:join()
    accepted:send("ne\n")
    assert.are.equal("half a line", (client:receive()))
  end))

  it("says closed to a task that receives while another one closes", kit.inside(function()
    local socket = require("arsenal.socket")
    local server <close> = assert(socket.bind("127.0.0.1", 0))
    local host, port = server:getsockname()
    local client = assert(socket.connect(host, port))
    assert(server:accept()):close()
    local idle <close> = assert(socket.connect(host, port))
    client:close()
    client = idle
    local reader = kit.waiting(client.receive, client)
    client:close()
    assert.are.same({ nil, "closed", "" }, { reader:join() })
  end))

  it("accepts patterns without their asterisk, and bounds an item", kit.inside(function()
    local socket = require("arsenal.socket")
    local server <close> = assert(socket.bind("127.0.0.1", 0))
    local host, port = server:getsockname()
    local client <close> = assert(socket.connect(host, port))
    local accepted = assert(server:accept())
    accepted:send("line\n0123456789")
    accepted:close()
    assert.are.equal("line", (client:receive("l")))
    assert.are.same({ nil, "oversized", "ab01" }, { client:receive("a", "ab", 4) })
    assert.are.equal("23456789", (client:receive("a")))
    kit.mistake("maxsize must be a positive number", client.receive, client, "*l", "", 0)
  end))
end)
