-- Drivers for OpenResty, unmodified, with real servers that are silent or killed, and in tasks that are cancelled.

local arsenal = require("arsenal")
local assert = require("luassert")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local drivers = require("spec.kit.drivers")
local keepalive = require("arsenal.ngx.keepalive")
local kit = require("spec.kit")
local openresty = require("spec.kit.ngx")
local request = require("arsenal.ngx.request")
local settings = require("arsenal.ngx.settings")

local POOL_SIZE <const> = 10

-- Every connection of the pool is idle.
local function pool_is_idle(name)
  return function()
    local idle, in_use = keepalive.count(name)
    assert.equal(0, in_use)
    assert(idle <= POOL_SIZE)
  end
end

local function milliseconds(seconds) return math.tointeger(seconds * 1000) end

-- Connects a driver's client by the pool of a name.
local function connect(client, port, limit, pool)
  client:set_timeout(milliseconds(limit))
  return client:connect("127.0.0.1", port, { pool = pool, pool_size = POOL_SIZE, backlog = 1000 })
end

-- Gives the connection back if all went well. Otherwise closes it, and returns nil and the word.
local function conclude(client, done, word)
  if done then return client:set_keepalive() and true end
  client:close()
  return nil, word
end

local function use_redis(client, i)
  client:init_pipeline()
  client:set("key" .. i, i)
  client:get("key" .. i)
  local answers, word = client:commit_pipeline()
  if not answers then return nil, word end
  assert.same({ "OK", tostring(i) }, answers)
  local echoed
  echoed, word = client:echo("echo " .. i)
  if not echoed then return nil, word end
  assert.equal("echo " .. i, echoed)
  return true
end

local redis = {
  start = openresty.start_redis,
  finish = keepalive.close,
  check = pool_is_idle("redis"),
  use = function(port, i, limit)
    local client = openresty.require("nginx.redis"):new()
    local done, word = connect(client, port, limit, "redis")
    if not done then return nil, word end
    return conclude(client, use_redis(client, i))
  end,
}

-- Its own limit for connecting is 0.1 seconds, too little for a busy machine. It selects its database in `connect`, and
-- gives that call no limit, because `read_timeout` goes astray in its source.
local connector = {
  start = openresty.start_redis,
  finish = keepalive.close,
  check = pool_is_idle("connector"),
  use = function(port, i, limit)
    local made = openresty.require("nginx.redis.connector").new {
      keepalive_poolsize = POOL_SIZE, host = "127.0.0.1", port = port, db = 3, connect_timeout = milliseconds(limit),
      connection_options = { pool = "connector", pool_size = POOL_SIZE, backlog = 1000 },
    }
    local client, word = arsenal.timeout(limit, made.connect, made)
    if not client then return nil, word end
    client:set_timeout(milliseconds(limit))
    return conclude(client, use_redis(client, i))
  end,
}

local memcached = {
  start = function(port)
    return drivers.listening(child.start(child.command("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", port,
      "-U", "0")), port)
  end,
  finish = keepalive.close,
  check = pool_is_idle("memcached"),
  use = function(port, i, limit)
    local client = assert(openresty.require("nginx.memcached"):new())
    local done, word = connect(client, port, limit, "memcached")
    if not done then return nil, word end
    done, word = client:set("key " .. i, "value " .. i)
    if not done then return conclude(client, done, word) end
    local value, flags
    value, flags, word = client:get("key " .. i)
    if flags then assert.equal("value " .. i, value) end
    return conclude(client, value, word)
  end,
}

local dns = {
  is_udp = true,
  start = function(port)
    return drivers.listening(child.start(child.command("dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts",
      "--listen-address=127.0.0.1", "--bind-interfaces", "--port=" .. port, "--address=/known.test/192.0.2.7",
      "--conf-file=/dev/null", "--user=root")), port)
  end,
  -- The kernel drops datagrams where too many wait, so a query is repeated each second.
  use = function(port, _, limit)
    local resolver, word = openresty.require("nginx.dns.resolver"):new {
      nameservers = { { "127.0.0.1", port } }, timeout = milliseconds(math.min(limit, 1)), retrans = limit // 1 + 1,
    }
    assert(resolver, word)
    local answers
    answers, word = resolver:query("known.test", { qtype = resolver.TYPE_A })
    if not answers then return nil, word end
    assert.equal("192.0.2.7", answers[1].address)
    return true
  end,
}

local ECHO <const> = [[
  const { WebSocketServer } = require("/usr/share/nodejs/ws");
  const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
  server.on("listening", () => console.log("listening"));
  server.on("connection", (socket) => socket.on("message", (data, binary) => socket.send(data, { binary })));
]]

local websocket = {
  start = function(port)
    local server = child.start(child.command("node", certificates.file("echo.js", ECHO), port))
    server:expect("listening")
    return server
  end,
  finish = keepalive.close,
  check = pool_is_idle("websocket"),
  use = function(port, i, limit)
    local client = assert(openresty.require("nginx.websocket.client"):new())
    client:set_timeout(milliseconds(limit))
    local done, word = client:connect(("ws://127.0.0.1:%d/"):format(port), { pool = "websocket" })
    if not done then
      client.sock:close()
      return nil, word
    end
    done, word = client:send_text("text " .. i)
    local text
    if done then
      text, done, word = client:recv_frame()
    end
    if not text then
      client.sock:close()
      return nil, word
    end
    assert.same({ "text " .. i, "text" }, { text, done })
    if i % 2 == 0 then return client:set_keepalive(10000, POOL_SIZE) and true end
    return client:close() and true
  end,
}

-- The peer is a client here: it makes each connection that it accepts one of a WebSocket, for which it asks over that
-- connection.
local CLIENTS <const> = [[
  const http = require("http"), net = require("net");
  const { WebSocket } = require("/usr/share/nodejs/ws");
  class Accepted extends http.Agent {
    constructor(socket) { super(); this.socket = socket; }
    createConnection() { return this.socket; }
  }
  const server = net.createServer((accepted) => {
    const socket = new WebSocket("ws://localhost/", { agent: new Accepted(accepted) });
    socket.on("open", () => socket.send("hello"));
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.on("error", () => accepted.destroy());
  });
  server.listen(Number(process.argv[2]), "127.0.0.1", 1000, () => console.log("listening"));
]]

-- Runs in the handler of a request. Returns true; or nil and a word.
local function serve_websocket(i, limit)
  local server, word = openresty.require("nginx.websocket.server"):new { timeout = milliseconds(limit) }
  if not server then return nil, word end
  local text, kind
  text, kind, word = server:recv_frame()
  if not text then return nil, word end
  assert.same({ "hello", "text" }, { text, kind })
  local data = kit.random_bytes(300, i)
  local sent
  sent, word = server:send_binary(data)
  if not sent then return nil, word end
  text, kind, word = server:recv_frame()
  if not text then return nil, word end
  assert.same({ data, "binary" }, { text, kind })
  sent, word = server:send_close(1000, "enough")
  if not sent then return nil, word end
  text, kind, word = server:recv_frame()
  if not text then return nil, word end
  assert.same({ "enough", "close" }, { text, kind })
  return true
end

local websocket_server = {
  start = function(port)
    local peer = child.start(child.command("node", certificates.file("clients.js", CLIENTS), port))
    peer:expect("listening")
    return peer
  end,
  use = function(port, i, limit)
    local stream <close>, word = arsenal.tcp.connect("127.0.0.1", port)
    if not stream then return nil, word end
    stream:set_timeout(limit)
    return request.serve(stream, function() return serve_websocket(i, limit) end)
  end,
}

-- A stand-in of a Kafka broker that knows one topic with one partition, and accepts what is produced.
local BROKER <const> = [[
  local port = math.tointeger(tonumber(arg[1]))
  local function answer(kind, correlation)
    if kind == 3 then
      return (">i4 i4i4s2i4 i4 i2s2 i4 i2i4i4 i4i4 i4i4"):pack(correlation, 1, 0, "127.0.0.1", port, 1, 0, "topic",
        1, 0, 0, 0, 1, 0, 1, 0)
    end
    return (">i4 i4s2 i4 i4i2i8"):pack(correlation, 1, "topic", 1, 0, 0, correlation)
  end
  arsenal.main(function()
    local listener = assert(arsenal.tcp.listen("127.0.0.1", port, { backlog = 1000 }))
    print("listening")
    listener:serve(function(stream)
      while true do
        local size = stream:recv_exactly(4)
        if not size then return end
        local body = assert(stream:recv_exactly((">I4"):unpack(size)))
        local kind, _, correlation = (">i2i2i4"):unpack(body)
        assert(stream:send((">s4"):pack(answer(kind, correlation))))
      end
    end)
  end)
]]

local kafka = {
  start = function(port)
    local broker = child.lua(BROKER, {}, port)
    broker:expect("listening")
    return broker
  end,
  finish = keepalive.close,
  use = function(port, i, limit)
    local producer = openresty.require("nginx.kafka.producer"):new({ { host = "127.0.0.1", port = port } }, {
      socket_timeout = milliseconds(limit), max_retry = 1, keepalive_size = POOL_SIZE,
    })
    for call = 1, 3 do
      local offset, word = producer:send("topic", "key " .. i, ("message %d of %d"):format(call, i))
      if not offset then return nil, word end
      assert.equal(call + 2, tonumber(offset)) -- of the next message; the stand-in counts from 2
    end
    return true
  end,
}

local level <const> = settings.log_level

local has_ws = os.execute("test -d /usr/share/nodejs/ws")

describe("with real servers,", function()
  setup(function() settings.log_level = 0 end) -- lua-resty-kafka logs each failure
  teardown(function() settings.log_level = level end)

  openresty.it_with("nginx.redis", "redis-server")("lua-resty-redis", drivers.going_through(redis))
  openresty.it_with("nginx.redis.connector", "redis-server")("redis-connector", drivers.going_through(connector))
  openresty.it_with("nginx.memcached", "memcached")("lua-resty-memcached", drivers.going_through(memcached))
  openresty.it_with("nginx.dns.resolver", "dnsmasq")("lua-resty-dns", drivers.going_through(dns))
  local it_with_ws = has_ws and openresty.it_with("nginx.websocket.client", "node")
    or kit.pending("node-ws is not installed")
  it_with_ws("lua-resty-websocket's client", drivers.going_through(websocket))
  it_with_ws("lua-resty-websocket's server", drivers.going_through(websocket_server))
  openresty.it_with("nginx.kafka.producer")("lua-resty-kafka", drivers.going_through(kafka))
end)
