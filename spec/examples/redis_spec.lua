-- examples/redis.lua with a redis-server, looked at with redis-cli, and with servers of ours that break off.

local child = require("spec.kit.child")
local example = require("spec.kit.example")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Starts a redis-server that stores nothing, and calls fn(port).
local function with_redis(fn)
  kit.with_held_port(function(port)
    local server <close> = child.start(child.command("redis-server", "--bind", "127.0.0.1", "--port", port,
      "--save", "", "--appendonly", "no", "--dir", "/tmp", "--loglevel", "notice"))
    server:expect("Ready to accept connections")
    fn(port)
  end)
end

local function redis_cli(port, ...)
  return child.run(child.command("redis-cli", "-p", port, ...)).out
end

local it_with_redis = child.it_with("redis-server", "redis-cli")

describe("examples/redis.lua", function()
  it_with_redis("shares a connection, reads messages, and makes transactions", inside(function()
    with_redis(function(port)
      local result = example.start("redis", nil, "127.0.0.1", port):finish()
      assert.same({ "", 0 }, { result.err, result.status })
      assert.matches("^1000 tasks have added up 500500 in %d%.%d+ s\nnews: one\nnews: two\nnews: the end\n"
        .. "doubled ten times: 1024, on %d connections\n$", result.out)
      assert.equal("500500\n", redis_cli(port, "GET", "arsenal:counter"))
      assert.equal("1024\n", redis_cli(port, "GET", "arsenal:number"))
    end)
  end))

  it_with_redis("tells what the server refuses, and fails", inside(function()
    with_redis(function(port)
      assert.equal("OK\n", redis_cli(port, "CONFIG", "SET", "maxmemory", "1"))
      local result = example.start("redis", nil, "127.0.0.1", port):finish()
      assert.equal(1, result.status)
      assert.matches("OOM command not allowed", result.err)
    end)
  end))

  -- The example's result with a server that answers the first commands with this, and ends.
  local function result_with(answer)
    local listener <close>, port = kit.server(function(stream)
      stream:recv()
      stream:send(answer)
      stream:shutdown()
      for _ in stream:chunks() do end
    end)
    local result = example.start("redis", nil, "127.0.0.1", port):finish()
    assert(listener)
    return result
  end

  it("fails when the server ends, in the middle too, and leaves no task waiting", inside(function()
    for _, answer in ipairs { "", ":0\r\n", ":0\r\n:1\r\n:2", "$5\r\nhe", "*2\r\n:1\r\n" } do
      local result = result_with(answer)
      assert.equal(1, result.status, answer)
      assert.truthy(result.err:find("end of stream") or result.err:find("the stream ended inside an item"), result.err)
    end
  end))

  it("fails when nobody listens", inside(function()
    local result = example.start("redis", nil, "127.0.0.1", kit.dead_port):finish()
    assert.equal(1, result.status)
    assert.matches("connect 127.0.0.1:%d+: connection refused", result.err)
  end))

  it("waits for no server that is silent", inside(function()
    local listener <close>, port = kit.server(function(stream) stream:recv_all() end)
    local result = example.start("redis", { constants = { PATIENCE = 0.1 } }, "127.0.0.1", port):finish()
    assert.equal(1, result.status)
    assert.matches("timed out", result.err)
    assert(listener)
  end))
end)
