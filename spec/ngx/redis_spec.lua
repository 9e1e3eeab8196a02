-- lua-resty-redis and lua-resty-redis-connector, unmodified, with a redis-server.

local arsenal = require("arsenal")
local drivers = require("spec.kit.ngx")
local keepalive = require("arsenal.ngx.keepalive")
local kit = require("spec.kit")
local ngx = require("arsenal.ngx")

local inside <const> = drivers.inside
local TASKS <const> = kit.count(200)
local POOL <const> = { pool = "redis_spec", pool_size = 10, backlog = TASKS }

local it_with_redis = drivers.it_with("nginx.redis", "redis-server")

-- Calls fn(port) beside a redis-server.
local function with_redis(fn)
  kit.with_held_port(function(port)
    local server <close> = drivers.start_redis(port)
    fn(port, server)
  end)
end

-- A connected client of the pool; nil and the word of the failure.
local function connect(port, timeout, options)
  local client = assert(drivers.require("nginx.redis"):new())
  client:set_timeout(timeout or 10000)
  local done, word = client:connect("127.0.0.1", port, options or POOL)
  if done then return client end
  return nil, word
end

-- Every connection of the pool is idle, and answers what it is asked.
local function assert_pool_is_sound(port)
  local idle, in_use = keepalive.count(POOL.pool)
  assert.equal(0, in_use)
  assert(idle <= POOL.pool_size)
  drivers.in_tasks(TASKS, function(i)
    local client = assert(connect(port))
    assert.equal("echo " .. i, client:echo("echo " .. i))
    assert(client:set_keepalive())
  end)
end

describe("lua-resty-redis on arsenal.ngx", function()
  it_with_redis("serves many tasks over the connections of a pool", inside(function()
    with_redis(function(port)
      drivers.in_tasks(TASKS, function(i)
        local client = assert(connect(port))
        assert.equal("OK", client:set("key" .. i, i))
        assert.equal(tostring(i), client:get("key" .. i))
        client:init_pipeline()
        client:incrby("sum", i)
        client:incr("key" .. i)
        client:hget("key" .. i, "field")
        local answers = assert(client:commit_pipeline())
        assert.equal(i + 1, answers[2])
        assert.matches("^WRONGTYPE", answers[3][2])
        assert.equal(1, client:set_keepalive(10000))
      end)
      local client = assert(connect(port))
      assert.equal(tostring(TASKS * (TASKS + 1) // 2), client:get("sum"))
      assert.equal(ngx.null, client:get("nothing"))
      assert(client:get_reused_times() > 0)
      local connected = client:info("clients"):match("connected_clients:(%d+)")
      assert(tonumber(connected) <= POOL.pool_size, connected)
      assert(client:close())
    end)
  end))

  it_with_redis("reads published messages, and keeps a subscribed connection out of the pool", inside(function()
    with_redis(function(port)
      local subscriber, publisher = assert(connect(port)), assert(connect(port))
      assert.same({ "subscribe", "news", 1 }, subscriber:subscribe("news"))
      assert.equal(1, publisher:publish("news", "hello"))
      assert.same({ "message", "news", "hello" }, subscriber:read_reply())
      assert.same({ nil, "subscribed state" }, { subscriber:set_keepalive() })
      subscriber:close()
      publisher:close()
    end)
  end))

  it_with_redis("ends each call whose time is up, and its connection", inside(function()
    with_redis(function(port)
      drivers.in_tasks(TASKS, function()
        local client = assert(connect(port, 10000))
        client:set_timeout(20)
        assert.same({ nil, "timeout" }, { client:blpop("nothing", 60) })
        assert.same({ nil, "closed" }, { client:set_keepalive() })
      end)
      assert_pool_is_sound(port)
    end)
  end))

  it_with_redis("leaves the pool sound when tasks are cancelled in any call", inside(function()
    with_redis(function(port)
      local tasks = {}
      for i = 1, TASKS do
        tasks[i] = arsenal.go(function()
          while true do
            local client = assert(connect(port))
            assert.equal("OK", client:set("key" .. i, i))
            assert.equal(tostring(i), client:get("key" .. i))
            assert(client:set_keepalive())
          end
        end)
      end
      for _, task in ipairs(tasks) do
        kit.polls(1)
        task:cancel()
      end
      for _, task in ipairs(tasks) do kit.fails("CANCELLED", task:join()) end
      assert_pool_is_sound(port)
    end)
  end))

  it_with_redis("goes on after the server was killed and started again", inside(function()
    with_redis(function(port, server)
      local words, working, answered = {}, 0, arsenal.event()
      local done = false
      local function work(i)
        while not done do
          local client, word = connect(port)
          local answer = client and client:echo(i)
          if answer then
            assert.equal(tostring(i), answer)
            working = working + 1
            answered:set()
            client:set_keepalive()
          else
            words[word or "closed"] = true
            if client then client:close() end
            arsenal.sleep(0.01)
          end
        end
      end
      local finishing = arsenal.go(drivers.in_tasks, TASKS, work)
      answered:wait()
      server:signal("KILL")
      kit.turn_until(function() return words["connection refused"] end)
      server:finish()
      local _ <close> = drivers.start_redis(port)
      local before = working
      kit.turn_until(function() return working > before + TASKS end)
      done = true
      finishing:join()
      assert.is_nil(words.timeout)
      assert_pool_is_sound(port)
    end)
  end))

  it_with_redis("takes Unix sockets", inside(function()
    with_redis(function(port)
      local client = assert(connect(port))
      local path = os.tmpname()
      local second <close> = drivers.start_redis(0, "--unixsocket", path)
      assert(second)
      client:close()
      client = assert(drivers.require("nginx.redis"):new())
      assert.equal(1, client:connect("unix:" .. path))
      assert.equal("PONG", client:ping())
      client:close()
      os.remove(path)
    end)
  end))
end)

describe("lua-resty-redis-connector on arsenal.ngx", function()
  drivers.it_with("nginx.redis.connector", "redis-server")("connects by a DSN, and keeps connections", inside(function()
    with_redis(function(port)
      local connector = drivers.require("nginx.redis.connector").new { keepalive_poolsize = 5, connect_timeout = 10000 }
      local client = assert(connector:connect { url = ("redis://127.0.0.1:%d/3"):format(port) })
      assert.equal("OK", client:set("here", "database three"))
      assert.equal(1, connector:set_keepalive(client))
      client = assert(connector:connect { url = ("redis://127.0.0.1:%d/3"):format(port) })
      assert.equal("database three", client:get("here"))
      assert(client:get_reused_times() > 0)
      client:close()
      local _, word = connector:connect { host = "127.0.0.1", port = kit.dead_port }
      assert.equal("connection refused", word)
    end)
  end))
end)
