-- Drivers of lua-nginx-memcached, lua-nginx-dns, lua-nginx-websocket and lua-nginx-kafka, unmodified, with real
-- servers.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local drivers = require("spec.kit.ngx")
local kit = require("spec.kit")
local ngx = require("arsenal.ngx")
local request = require("arsenal.ngx.request")

local inside <const> = drivers.inside
local TASKS <const> = kit.count(200)

describe("lua-resty-memcached on arsenal.ngx", function()
  local function with_memcached(fn)
    kit.with_held_port(function(port)
      local server <close> = child.start(child.command("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", port,
        "-U", "0"))
      drivers.until_listening(port)
      fn(port, server)
    end)
  end

  local function connect(port)
    local client = assert(drivers.require("nginx.memcached"):new())
    client:set_timeout(10000)
    assert(client:connect("127.0.0.1", port, { pool = "memcached", pool_size = 10, backlog = TASKS }))
    return client
  end

  drivers.it_with("nginx.memcached", "memcached")("serves many tasks, some of them cancelled", inside(function()
    with_memcached(function(port)
      drivers.in_tasks(TASKS, function(i)
        local client = connect(port)
        assert.equal(1, client:set("key " .. i, "value " .. i))
        assert.equal("value " .. i, client:get("key " .. i))
        assert(client:set_keepalive())
      end)
      local tasks = {}
      for i = 1, TASKS do
        tasks[i] = arsenal.go(function()
          local client = connect(port)
          for _ = 1, 100 do client:get("key " .. i) end
          client:set_keepalive()
        end)
      end
      for _, task in ipairs(tasks) do
        kit.polls(1)
        task:cancel()
      end
      drivers.in_tasks(TASKS, function(i)
        local client = connect(port)
        assert.equal("value " .. i, client:get("key " .. i))
        client:set_keepalive()
      end)
    end)
  end))
end)

describe("lua-resty-dns on arsenal.ngx", function()
  drivers.it_with("nginx.dns.resolver", "dnsmasq")("asks over UDP and TCP", inside(function()
    kit.with_held_port(function(port)
      local server <close> = child.start(child.command("dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts",
        "--listen-address=127.0.0.1", "--bind-interfaces", "--port=" .. port, "--address=/known.test/192.0.2.7",
        "--host-record=six.test,2001:db8::1", "--conf-file=/dev/null", "--user=root"))
      drivers.until_listening(port)
      assert(server)
      local resolver = drivers.require("nginx.dns.resolver")
      drivers.in_tasks(TASKS, function()
        local asking = assert(resolver:new { nameservers = { { "127.0.0.1", port } }, timeout = 10000 })
        local answers = assert(asking:query("known.test", { qtype = asking.TYPE_A }))
        assert.equal("192.0.2.7", answers[1].address)
      end)
      local asking = assert(resolver:new { nameservers = { { "127.0.0.1", port } }, timeout = 10000 })
      assert.equal("2001:db8:0:0:0:0:0:1", asking:tcp_query("six.test", { qtype = asking.TYPE_AAAA })[1].address)
      assert.equal("1.0.0.127.in-addr.arpa", resolver.arpa_str("127.0.0.1"))
      server:signal("KILL")
      server:finish()
      local lost = assert(resolver:new { nameservers = { { "127.0.0.1", port } }, timeout = 50, retrans = 1 })
      assert.is_nil(lost:query("known.test"))
    end)
  end))
end)

describe("lua-resty-websocket on arsenal.ngx", function()
  local PEER <const> = [[
    const { WebSocketServer, WebSocket } = require("/usr/share/nodejs/ws");
    const url = process.argv[2];
    if (url) {
      const socket = new WebSocket(url);
      socket.on("open", () => socket.send("hello"));
      socket.on("message", (data) => { console.log("got " + data); socket.close(1000); });
      socket.on("close", (code) => console.log("closed " + code));
    } else {
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
      server.on("listening", () => console.log("port " + server.address().port));
      server.on("connection", (socket) => socket.on("message", (data, binary) => socket.send(data, { binary })));
    }
  ]]

  local function start_peer(url)
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write(PEER)
    file:close()
    local peer = child.start(child.command("node", path, table.unpack { url }))
    peer.used[#peer.used + 1] = path
    return peer
  end

  local has_ws = os.execute("test -d /usr/share/nodejs/ws")
  local it_with_ws = has_ws and drivers.it_with("nginx.websocket.client", "node")
    or kit.pending("node-ws is not installed")

  it_with_ws("is a client of another server", inside(function()
    local peer <close> = start_peer()
    local port = peer:expect("port (%d+)")
    drivers.in_tasks(TASKS, function(i)
      local client = assert(drivers.require("nginx.websocket.client"):new())
      client:set_timeout(20000)
      assert(client:connect(("ws://127.0.0.1:%d/path"):format(port)))
      assert(client:send_text("text " .. i))
      assert.same({ "text " .. i, "text" }, { client:recv_frame() })
      local data = kit.random_bytes(1000, i)
      assert(client:send_binary(data))
      assert.same({ data, "binary" }, { client:recv_frame() })
      assert(client:close())
    end)
  end))

  it_with_ws("is a server for another client", inside(function()
    local listener, port, serving = kit.server(function(stream)
      request.serve(stream, function()
        local server, word = drivers.require("nginx.websocket.server"):new { timeout = 20000 }
        assert(server, word)
        local data, kind = server:recv_frame()
        assert.equal("text", kind)
        server:send_text(data .. " to you")
        repeat
          data, kind = server:recv_frame()
        until kind == "close" or not data
        server:send_close(1000, "bye")
      end)
    end)
    local peer <close> = start_peer(("ws://127.0.0.1:%d/"):format(port))
    peer:expect("got hello to you")
    peer:expect("closed 1000")
    listener:close()
    serving:join()
  end))
end)

describe("lua-resty-kafka on arsenal.ngx", function()
  -- A stand-in of a broker that knows one topic with one partition, and accepts what is produced.
  local function broker(produced)
    return function(stream)
      while true do
        local size = stream:recv_exactly(4)
        if not size then return end
        local body = assert(stream:recv_exactly((">I4"):unpack(size)))
        local kind, _, correlation = (">i2i2i4"):unpack(body)
        local answer
        if kind == 3 then
          local host, port = stream:local_address()
          answer = (">i4 i4i4s2i4 i4 i2s2 i4 i2i4i4 i4i4 i4i4"):pack(correlation, 1, 0, host, port, 1, 0, "topic",
            1, 0, 0, 0, 1, 0, 1, 0)
        else
          produced[#produced + 1] = body
          answer = (">i4 i4s2 i4 i4i2i8"):pack(correlation, 1, "topic", 1, 0, 0, #produced)
        end
        assert(stream:send((">s4"):pack(answer)))
      end
    end
  end

  drivers.it_with("nginx.kafka.producer")("sends messages to a broker", inside(function()
    local produced = {}
    local listener <close>, port = kit.server(broker(produced))
    assert(listener)
    local producer = assert(drivers.require("nginx.kafka.producer"):new({ { host = "127.0.0.1", port = port } }))
    local offset, word = producer:send("topic", "key", "message one")
    assert(offset, word)
    assert.truthy(produced[1]:find("message one", 1, true))
    assert.equal(ngx.crc32_long("x"), 0x8cdc1683)
  end))

  -- It sends what is buffered with timers that it makes when the program ends.
  local PROGRAM <const> = [[
    package.path = package.path .. ";/usr/share/lua/5.1/?.lua"
    arsenal.main(function()
      local brokers = { { host = "127.0.0.1", port = math.tointeger(tonumber(arg[1])) } }
      local producer = arsenal.compat.require("nginx.kafka.producer", "ngx"):new(brokers, {
        producer_type = "async", flush_time = 3600000,
      })
      for i = 1, 20 do assert(producer:send("topic", "key", "message " .. i .. ".")) end
    end)
  ]]

  drivers.it_with("nginx.kafka.producer")("sends the messages of an asynchronous producer that ends", inside(function()
    local produced = {}
    local listener <close>, port = kit.server(broker(produced))
    assert(listener)
    local program <close> = child.lua(PROGRAM, {}, port)
    local result = program:finish()
    assert.same({ 0, "" }, { result.status, result.err })
    local all = table.concat(produced)
    for i = 1, 20 do assert.truthy(all:find(("message %d."):format(i), 1, true), i) end
  end))
end)
