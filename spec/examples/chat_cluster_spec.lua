-- examples/chat_cluster.lua: nodes that are joined through Redis, one of which is killed, with HAProxy in front.

local arsenal = require("arsenal")
local assert = require("luassert")
local child = require("spec.kit.child")
local drivers = require("spec.kit.ngx")
local example = require("spec.kit.example")
local kit = require("spec.kit")

local inside <const> = drivers.inside

-- Starts a node with two workers; returns it and its port. Options: those of example.start.
local function start_node(port, redis_port, nats_port, options)
  local node = example.start("chat_cluster", options, port, redis_port, 2, nats_port)
  return node, math.tointeger(node:expect("listener 127%.0%.0%.1:(%d+)"))
end

local function join(port, room, nickname)
  local member = assert(arsenal.tcp.connect("127.0.0.1", port))
  member:send(room, " ", nickname, "\n")
  return member
end

-- Reads lines until this one has come.
local function expect_line(member, line)
  repeat
    local got, message = member:recv_line()
    assert(got, message)
  until got == line
end

-- Each of two members reads what the other writes.
local function converse(first, second)
  expect_line(first, "* welcome")
  expect_line(second, "* welcome")
  first:send("one\n")
  expect_line(second, "<first> one")
  second:send("two\n")
  expect_line(first, "<second> two")
end

local CONFIGURATION <const> = [[
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend chat
  bind 127.0.0.1:%d
  default_backend nodes
backend nodes
  balance roundrobin
  option redispatch
  retries 3
  server one 127.0.0.1:%d
  server two 127.0.0.1:%d
]]

local function start_haproxy(port, first, second)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(CONFIGURATION:format(port, first, second))
  file:close()
  local proxy = child.start(child.command("haproxy", "-db", "-f", path))
  table.insert(proxy.used, path)
  return proxy
end

-- Sends a line again and again until each of the members has read `wanted`.
local function send_until(member, line, members, wanted)
  local is_over = false
  local sending = arsenal.go(function()
    while not is_over do
      assert(member:send(line, "\n"))
      arsenal.sleep(0.05)
    end
  end)
  for _, other in ipairs(members) do expect_line(other, wanted) end
  is_over = true
  sending:join()
end

local it_with_redis = drivers.it_with("nginx.redis", "redis-server")

describe("examples/chat_cluster.lua", function()
  it_with_redis("loses no room when a node is killed and started again", inside(function()
    kit.with_held_port(function(redis_port)
      local redis <close> = drivers.start_redis(redis_port)
      assert(redis)
      local one <close>, first_port = start_node(0, redis_port)
      assert(one)
      kit.with_held_port(function(second_port)
        local two <close> = start_node(second_port, redis_port)
        local first <close> = join(first_port, "room", "first")
        local second <close> = join(second_port, "room", "second")
        converse(first, second)
        two:signal("KILL")
        two:finish()
        while second:recv_line() do end -- until the node is gone
        first:send("still here\n")
        expect_line(first, "<first> still here")
        local again <close> = start_node(second_port, redis_port)
        assert(again)
        local third <close> = join(second_port, "room", "third")
        expect_line(third, "- <second> two")
        expect_line(third, "- <first> still here")
        expect_line(third, "* welcome")
        third:send("back\n")
        expect_line(first, "<third> back")
      end)
    end)
  end))

  it_with_redis("disconnects a member that does not read", inside(function()
    kit.with_held_port(function(redis_port)
      local redis <close> = drivers.start_redis(redis_port)
      local node <close>, port = start_node(0, redis_port)
      assert(redis and node)
      local idle <close> = join(port, "room", "idle")
      expect_line(idle, "* welcome")
      local talker <close> = join(port, "room", "talker")
      expect_line(talker, "* welcome")
      local line, sent = ("x"):rep(900), 12000 -- more than the kernel keeps for one connection
      local sending = arsenal.go(function()
        for _ = 1, sent do talker:send(line, "\n") end
      end)
      for _ = 1, sent do expect_line(talker, "<talker> " .. line) end
      sending:join()
      local count = 0
      for _ in function() return (idle:recv_line()) end do count = count + 1 end
      assert(count < sent, count)
    end)
  end))

  it_with_redis("outlasts Redis, and ends at Ctrl-C", inside(function()
    kit.with_held_port(function(redis_port)
      local redis <close> = drivers.start_redis(redis_port)
      local node <close>, port = start_node(0, redis_port)
      local first <close> = join(port, "room", "first")
      expect_line(first, "* welcome")
      redis:signal("KILL")
      redis:finish()
      first:send("lost\n")
      expect_line(first, "* perhaps not sent: try again")
      assert.truthy(node:expect("Redis on port %d+: connection refused"))
      local new_redis <close> = drivers.start_redis(redis_port)
      assert(new_redis)
      send_until(first, "again", { first }, "<first> again")
      node:signal("INT")
      local result = node:finish()
      assert.same({ 2, "" }, { result.signal, result.err })
    end)
  end))

  drivers.it_with("nginx.redis", "redis-server", "haproxy")("serves one address on several nodes behind HAProxy",
    inside(function()
      kit.with_held_port(function(redis_port)
        local redis <close> = drivers.start_redis(redis_port)
        local one <close>, first_port = start_node(0, redis_port)
        local two <close>, second_port = start_node(0, redis_port)
        assert(redis and one and two)
        kit.with_held_port(function(port)
          local proxy <close> = start_haproxy(port, first_port, second_port)
          assert(proxy)
          drivers.until_listening(port)
          local first <close> = join(port, "room", "first")
          local second <close> = join(port, "room", "second")
          converse(first, second)
        end)
      end)
    end))

  it_with_redis("outlasts a Redis that stands still", inside(function()
    kit.with_held_port(function(redis_port)
      local redis <close> = drivers.start_redis(redis_port)
      local options = { constants = { PATIENCE = "300", SILENCE = "50" } }
      local node <close>, port = start_node(0, redis_port, nil, options)
      assert(node)
      local first <close> = join(port, "room", "first")
      expect_line(first, "* welcome")
      redis:signal("STOP")
      send_until(first, "lost", { first }, "* perhaps not sent: try again")
      local second <close> = join(port, "room", "second")
      expect_line(second, "* the last lines are not to be had")
      expect_line(second, "* welcome")
      redis:signal("CONT")
      send_until(first, "after", { first, second }, "<first> after")
    end)
  end))

  drivers.it_with("nginx.redis", "redis-server", "nats-server")("outlasts nats-server", inside(function()
    kit.with_held_port(function(redis_port)
      local redis <close> = drivers.start_redis(redis_port)
      kit.with_held_port(function(nats_port)
        local nats <close> = example.start_nats(nats_port)
        local one <close>, first_port = start_node(0, redis_port, nats_port)
        local two <close>, second_port = start_node(0, redis_port, nats_port)
        assert(redis and one and two)
        local first <close> = join(first_port, "room", "first")
        local second <close> = join(second_port, "room", "second")
        converse(first, second)
        nats:signal("KILL")
        nats:finish()
        send_until(first, "lost", { first }, "* perhaps not sent: try again")
        local again <close> = example.start_nats(nats_port)
        send_until(first, "after", { first, second }, "<first> after")
        again:signal("STOP")
        second:send("still there\n")
        again:signal("CONT")
        expect_line(first, "<second> still there")
      end)
    end)
  end))
end)
