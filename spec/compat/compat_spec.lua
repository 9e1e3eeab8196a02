-- Modules that nobody here wrote run on arsenal.socket, unmodified.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local function has(module) return pcall(require, module) end

local it_with_luasocket = has("socket.core") and it or kit.pending("LuaSocket is not installed")

describe("arsenal.compat", function()
  it_with_luasocket("gives a module arsenal's sockets, and nobody else", kit.inside(function()
    local http = arsenal.compat.require("socket.http")
    assert.are.equal(http, arsenal.compat.require("socket.http"))
    assert.are_not.equal(http, require("socket.http"))
    assert.are.equal(require("arsenal.socket"), arsenal.compat.require("socket"))
  end))

  it("names a module that is not there, and a dialect that it does not know", function()
    kit.mistake("module 'nosuch' not found", arsenal.compat.require, "nosuch")
    kit.mistake("expected, got latin", arsenal.compat.require, "socket", "latin")
  end)

  it_with_luasocket("runs socket.http in 200 tasks", kit.inside(function()
    local http = arsenal.compat.require("socket.http")
    local listener <close> = kit.server(function(stream)
      local path = stream:recv_line():match("^GET (%S+)")
      repeat local line = stream:recv_line() until line == "" or not line
      stream:send("HTTP/1.1 200 OK\r\nContent-Length: ", #path, "\r\nConnection: close\r\n\r\n", path)
    end)
    local url = ("http://127.0.0.1:%d/"):format(kit.port_of(listener))
    arsenal.group(function(group)
      for i = 1, kit.count(200) do
        group:go(function()
          local body, status = http.request(url .. i)
          assert.are.same({ "/" .. i, 200 }, { body, status })
        end)
      end
    end)
  end))
end)
