-- examples/nats.lua with a nats-server.

local assert = require("luassert")
local child = require("spec.kit.child")
local example = require("spec.kit.example")
local kit = require("spec.kit")

local inside <const> = kit.inside

describe("examples/nats.lua", function()
  child.it_with("nats-server")("publishes, subscribes and shares requests among workers", inside(function()
    kit.with_held_port(function(port)
      local server <close> = child.start(child.command("nats-server", "-a", "127.0.0.1", "-p", port) .. " 2>&1")
      server:expect("Server is ready")
      local result = example.start("nats", nil, "127.0.0.1", port):finish()
      assert.same({ "", 0 }, { result.err, result.status })
      assert.equal("news.weather: rain\nthe sum of the doubles is 110; the workers have answered 10\n", result.out)
    end)
  end))

  it("fails when the server goes", inside(function()
    local listener <close>, port = kit.server(function(stream)
      stream:send("INFO {}\r\n")
      repeat local line = stream:recv_line() until line == "PING" or not line
    end)
    assert(listener)
    local result = example.start("nats", nil, "127.0.0.1", port):finish()
    assert.equal(1, result.status)
    assert.matches("nats%-server has closed the connection", result.err)
  end))

  it("fails when nobody listens", inside(function()
    local result = example.start("nats", nil, "127.0.0.1", kit.dead_port):finish()
    assert.equal(1, result.status)
    assert.matches("connect 127.0.0.1:%d+: connection refused", result.err)
  end))
end)
