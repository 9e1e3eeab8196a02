-- examples/nats.lua with a nats-server.

local arsenal = require("arsenal")
local assert = require("luassert")
local child = require("spec.kit.child")
local example = require("spec.kit.example")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Calls fn(client, server, reports, port) with a client that is connected to a server of its own, and a list of what it
-- reports. `constants` take the place of those in the example.
local function with_client(constants, fn, ...)
  local connect, words = example.module("nats", constants), { ... }
  return inside(function()
    kit.with_held_port(function(port)
      local server <close> = example.start_nats(port, table.unpack(words))
      local reports = {}
      local options = {
        report = function(text) reports[#reports + 1] = text end, user = "me", pass = "a \"word\"",
      }
      local found
      repeat found = connect("127.0.0.1", port, options) until found -- which may take more than its PATIENCE
      local client <close> = found
      fn(client, server, reports, port)
    end)
  end)
end

-- Publishes on one subject until a message of these has come.
local function until_received(client, subscription)
  local publishing = arsenal.go(function()
    while true do
      client:publish(subscription.subject, "again")
      arsenal.sleep(0.01)
    end
  end)
  repeat local message = assert(subscription:recv()) until message.data == "again"
  publishing:cancel()
  publishing:join()
end

-- The client has told that it has lost its connection, and fails instead of waiting.
local function is_disconnected(client, reports)
  kit.turn_until(function() return client.stream == nil end)
  assert.matches("^connection lost: ", reports[#reports])
  kit.fails("ENOTCONN", client:publish("news", "lost"))
  kit.fails("ENOTCONN", client:flush())
  kit.fails("ENOTCONN", client:request("double", "1"))
end

local it_with_server = child.it_with("nats-server")

describe("examples/nats.lua", function()
  it_with_server("publishes, subscribes and shares requests among workers", inside(function()
    kit.with_held_port(function(port)
      local server <close> = example.start_nats(port)
      assert(server)
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

  it_with_server("loses no subscription when the server is killed and started again", with_client({ PAUSE = "0.01" },
    function(client, server, reports, port)
      local news <close> = client:subscribe("news")
      local shared <close> = client:subscribe("shared", "workers")
      local waiting = kit.waiting(function() return news:recv() end)
      local asking = arsenal.go(client.request, client, "nobody", "?")
      assert.is_true(client:flush())
      server:signal("KILL")
      server:finish()
      is_disconnected(client, reports)
      local late <close> = client:subscribe("late")
      asking:cancel()
      asking:join()
      local again <close> = example.start_nats(port)
      kit.turn_until(function() return reports[#reports] == "connected again" end)
      assert(again and client:publish("news", "there"))
      assert.equal("there", waiting:join().data)
      until_received(client, shared)
      until_received(client, late)
      assert.equal(2, #reports)
    end))

  it_with_server("gives up a server that is silent, and finds it again", with_client(
    { SILENCE = "0.05", PATIENCE = "0.5", PAUSE = "0.01" }, function(client, server, reports)
      local news <close> = client:subscribe("news")
      until_received(client, news)
      server:signal("STOP")
      is_disconnected(client, reports)
      server:signal("CONT")
      until_received(client, news)
    end))

  it_with_server("loses nothing while the server stands still for a moment", with_client({ PATIENCE = "30" },
    function(client, server, reports)
      local news <close> = client:subscribe("news")
      assert.is_true(client:flush())
      server:signal("STOP")
      for i = 1, 100 do assert(client:publish("news", tostring(i))) end
      local flushing = kit.waiting(client.flush, client)
      server:signal("CONT")
      for i = 1, 100 do assert.equal(tostring(i), news:recv().data) end
      assert.is_true(flushing:join())
      assert.same({}, reports)
    end))

  it_with_server("ends a message that the server does not take, and gives up the connection", with_client(
    { PATIENCE = "0.5", PAUSE = "0.01" }, function(client, server, reports)
      local news <close> = client:subscribe("news")
      server:signal("STOP")
      local message = ("x"):rep(1 << 20)
      local sent, _, code
      repeat sent, _, code = client:publish("other", message) until not sent
      assert.equal("TIMEOUT", code)
      is_disconnected(client, reports)
      server:signal("CONT")
      until_received(client, news)
    end))

  it_with_server("reports what the server refuses, and refuses what the server would not take", with_client({},
    function(client, _, reports, port)
      kit.fails("TOOLONG", client:publish("news", ("x"):rep((1 << 20) + 1)))
      kit.mistake("is no subject", client.publish, client, "a\r\nPUB b 0", "")
      kit.mistake("is no subject", client.subscribe, client, "")
      local wrong <close> = client:subscribe("wrong.")
      assert(wrong and client:flush())
      assert.same({ "-ERR 'Invalid Subject'" }, reports)
      local connect = example.module("nats", {})
      local message = kit.fails("EPROTO", connect("127.0.0.1", port, { user = "me", pass = "other" }))
      assert.matches("Authorization Violation", message)
    end, "--user", "me", "--pass", 'a "word"'))

  it_with_server("drops what nobody receives, and drains", with_client({ MOST_UNREAD = "10" }, function(client)
    local news <close> = client:subscribe("news")
    for i = 1, 12 do client:publish("news", tostring(i)) end
    assert.is_true(client:drain())
    for i = 1, 10 do assert.equal(tostring(i), news:recv().data) end
    kit.fails("CLOSED", news:recv())
    assert.equal(2, news.dropped)
    kit.fails("ENOTCONN", client:publish("news", "x"))
  end))
end)
