-- arsenal.ssl has LuaSec's results and words: each call of spec/compat/ssl_scenarios.lua is made on both. It never
-- keeps the loop, and a call that is cancelled leaves a connection that is as before or ended.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local LUA <const> = os.getenv("LUA") or "lua5.4"

-- The certificates that the scenarios use.
local function make_certificates()
  for _, name in ipairs { "localhost", "other", "expired", "rsa", "client", "strange client" } do
    certificates.of(name)
  end
  certificates.encrypted_key("localhost")
  return certificates.folder
end

local has_luasec = pcall(require, "ssl.core")

if not has_luasec then
  kit.pending("LuaSec is not installed")("arsenal.ssl")
  return
end

local run <const> = require("spec.compat.ssl_scenarios") -- which loads a module of LuaSec

describe("arsenal.ssl", function()
  local socket, ssl

  setup(function()
    socket, ssl = require("arsenal.socket"), require("arsenal.ssl")
  end)

  local function client_options(options)
    local all = { mode = "client", protocol = "any", verify = "peer", cafile = certificates.trusted() }
    for name, value in pairs(options or {}) do all[name] = value end
    return all
  end

  local function server_options()
    local made = certificates.of("localhost")
    return { mode = "server", protocol = "any", verify = "none", certificate = made.cert, key = made.key }
  end

  -- Two connected sockets. The buffers of the first are small.
  local function sockets()
    local server <close> = assert(socket.bind("127.0.0.1", 0))
    local client = socket.tcp4()
    client:setoption("recv-buffer-size", 4096)
    client:setoption("send-buffer-size", 4096)
    assert(client:connect(server:getsockname()))
    return client, assert(server:accept())
  end

  -- A connected pair, closed afterwards. Calls fn(client, server, sockets...).
  local function with_pair(fn)
    local first, second = sockets()
    local client <close> = assert(ssl.wrap(first, client_options()))
    local server <close> = assert(ssl.wrap(second, server_options()))
    local shaking = arsenal.go(server.dohandshake, server)
    assert.is_true(client:dohandshake())
    assert.is_true((shaking:join()))
    server:send("!")
    assert.equal("!", client:receive(1)) -- and with it what follows a handshake
    client:settimeout(kit.limit)
    server:settimeout(kit.limit)
    return fn(client, server)
  end

  -- A task that sends more than the peer takes, and waits.
  local function stuck_sender(connection)
    local sending = kit.waiting(function() return connection:send(kit.plenty) end)
    local sent
    repeat
      sent = select(2, connection:getstats())
      arsenal.sleep(0.005)
    until sent == select(2, connection:getstats())
    return sending
  end

  -- Sends until the kernel takes no more, and the limit of each send fires: the rest could follow.
  local function fill_up(connection)
    connection:settimeout(0.01)
    repeat
      assert.equal("wantwrite", (select(2, connection:send(kit.plenty))))
      local _, writable = socket.select(nil, { connection }, 0)
    until #writable == 0
    connection:settimeout(kit.limit)
  end

  -- The lines of the scenarios, without the warning, of which another spec makes sure.
  local function quiet_lines(folder)
    local stderr <const> = io.stderr
    local _ <close> = kit.on_close(function() rawset(io, "stderr", stderr) end)
    rawset(io, "stderr", { write = function() end })
    return run(socket, ssl, folder)
  end

  it("gives the results that LuaSec gives", kit.inside(function()
    local folder = make_certificates()
    local theirs = child.run(child.command(LUA, "spec/compat/ssl_scenarios.lua", "socket", "ssl", folder))
    assert.equal(0, theirs.status, theirs.err)
    assert.equal(theirs.out, quiet_lines(folder))
  end))

  it("works outside of tasks", kit.outside(function()
    assert.matches("# select", quiet_lines(make_certificates()))
  end))

  -- Limits and other tasks ------------------------------------------------------------------------

  it("limits a call as a whole, however often something comes", kit.inside(function()
    with_pair(function(client, server)
      local trickling = arsenal.go(function()
        while server:send("x") do arsenal.sleep(0.01) end
      end)
      client:settimeout(0.1)
      local data, word, partial = kit.takes(0.1, client.receive, client, "*a")
      assert.same({ nil, "wantread" }, { data, word })
      assert.matches("^x+$", partial)
      client:settimeout(kit.limit, "t")
      client:settimeout(0.001, "b")
      server:settimeout(kit.limit)
      assert.equal("wantread", (select(2, client:receive(1 << 20))))
      trickling:cancel()
      trickling:join()
    end)
  end))

  -- The installed LuaSec ignores the third argument.
  it("bounds an item as arsenal.socket does", kit.inside(function()
    local function outcomes(client, server)
      local seen = {}
      local function see(...) seen[#seen + 1] = table.pack(...) end
      server:send("line\n0123456789\ra\rb\nabcd\nabcd")
      see(client:receive("*l", "", 4))
      see(client:receive("*l", "ab", 6))
      see(client:receive(2, "", 2))
      see(client:receive("*l", "", 3))
      see(client:receive("*l", "12", 4))
      see(client:receive("*l", "", 3))
      see(client:receive("*l", "1", 5))
      see(client:receive("*l", "", 100))
      for _, maxsize in ipairs { 0, -1, "x", 0 / 0 } do see((pcall(client.receive, client, "*l", "", maxsize))) end
      see((pcall(client.receive, client, "*l", "ab", 2)))
      see((pcall(client.receive, client, 5, "", 4)))
      server:close()
      see(client:receive("*a", "1", 3))
      see(client:receive("*a", "", 2))
      return seen
    end

    local listener <close> = assert(socket.bind("127.0.0.1", 0))
    local plain <close> = assert(socket.connect("127.0.0.1", (select(2, listener:getsockname()))))
    plain:settimeout(0.05)
    local expected = outcomes(plain, assert(listener:accept()))
    with_pair(function(client, server)
      client:settimeout(0.05)
      local seen = outcomes(client, server)
      for i, one in ipairs(seen) do
        if one[2] == "wantread" then one[2] = "timeout" end
        assert.same(expected[i], one, i)
      end
      assert.equal(#expected, #seen)
    end)
  end))

  it("lets others run while data comes as fast as it is taken", kit.inside(function()
    with_pair(function(client, server)
      local size <const> = kit.bytes(1 << 22)
      local turns = kit.turns_beside(function()
        local sending = arsenal.go(server.send, server, ("x"):rep(size))
        assert.equal(size, #client:receive(size))
        sending:join()
      end)
      assert(turns > size >> 17, turns)
    end)
  end))

  it("sends whole messages of several tasks, in order", kit.inside(function()
    with_pair(function(client, server)
      local messages = {}
      arsenal.group(function(group)
        for i = 1, 8 do
          messages[i] = tostring(i):rep(kit.bytes(100000))
          group:go(function() assert.equal(#messages[i], server:send(messages[i])) end)
        end
        local all = table.concat(messages)
        kit.same_bytes(all, client:receive(#all))
      end)
    end)
  end))

  it("refuses a second task that receives, and the limit of a second one that sends fires", kit.inside(function()
    with_pair(function(client, server)
      local reading = kit.waiting(client.receive, client)
      assert.same({ nil, "another task is already receiving on this connection", "p" }, { client:receive(3, "p") })
      server:send("line\n")
      assert.equal("line", (reading:join()))
      local sending = stuck_sender(server)
      server:settimeout(0.01)
      assert.same({ nil, "wantwrite", 0.0 }, { server:send("x") })
      sending:cancel()
      sending:join()
    end)
  end))

  -- Cancellation ----------------------------------------------------------------------------------

  it("keeps the bytes of a receive that is cancelled", kit.inside(function()
    with_pair(function(client, server)
      for _, pattern in ipairs { "*l", "*a", 1 << 20 } do
        server:send(("x"):rep(20000))
        local reading = kit.waiting(client.receive, client, pattern)
        kit.turn_until(function() return client:dirty() end)
        reading:cancel()
        reading:join()
        server:send("line\n")
        assert.equal(20004, #client:receive())
      end
    end)
  end))

  it("keeps their order, too", kit.inside(function()
    with_pair(function(client, server)
      local data = kit.random_bytes(60000)
      server:send(data, 1, 30000)
      local reading = kit.waiting(client.receive, client, 1 << 20)
      kit.turn_until(function() return client.input.size == 30000 end)
      reading:cancel()
      reading:join()
      server:send(data, 30001)
      kit.same_bytes(data, client:receive(8192) .. client:receive(60000 - 8192)) -- LuaSec decrypts 8192 at once
    end)
  end))

  it("limits a call to which data comes without end", kit.inside(function()
    with_pair(function(client, server)
      local flooding = arsenal.go(function()
        while server:send(kit.plenty) do end
      end)
      client:settimeout(0.1)
      local data, word = kit.takes(0.1, client.receive, client, "*a")
      assert.same({ nil, "wantread" }, { data, word })
      client:close()
      flooding:join()
    end)
  end))

  it("sends nothing after a send that was cancelled", kit.inside(function()
    with_pair(function(client, server)
      local sending = stuck_sender(server)
      local waiting = kit.waiting(server.send, server, "never begun")
      waiting:cancel()
      waiting:join()
      sending:cancel()
      sending:join()
      assert.same({ nil, "closed", 0.0 }, { server:send("x") })
      local closing = arsenal.go(server.close, server)
      local _, word, got = client:receive(#kit.plenty)
      assert.equal("unexpected eof while reading", word) -- no goodbye: it was cut off
      closing:join()
      assert.equal(got, kit.plenty:sub(1, #got))
    end)
  end))

  it("closes although the task is cancelled while it would wait for the goodbye", kit.inside(function()
    with_pair(function(client, server)
      local fd = server:getfd()
      assert(client)
      fill_up(server)
      local closing = kit.waiting(server.close, server)
      closing:cancel()
      closing:join()
      assert.equal(-1, server:getfd())
      assert.is_false(pcall(arsenal.wait_readable, fd) and arsenal.wait_readable(fd, 0) == true)
    end)
  end))

  it("says closed to the tasks that wait while another one closes", kit.inside(function()
    with_pair(function(client, server)
      local reading, sending = kit.waiting(server.receive, server), stuck_sender(server)
      server:settimeout(0.01)
      server:close()
      assert.same({ nil, "closed", "" }, { reading:join() })
      assert.equal("closed", (select(2, sending:join())))
      assert(client)
    end)
  end))

  it("goes on with a handshake that was cancelled, and never with one that has failed", kit.inside(function()
    local first, second = sockets()
    local client <close> = assert(ssl.wrap(first, client_options()))
    local server <close> = assert(ssl.wrap(second, server_options()))
    local shaking = kit.waiting(client.dohandshake, client)
    shaking:cancel()
    shaking:join()
    shaking = arsenal.go(server.dohandshake, server)
    assert.is_true(client:dohandshake())
    assert.is_true((shaking:join()))
    local other, peer = sockets()
    local failing <close> = assert(ssl.wrap(other, client_options()))
    peer:send("this is no TLS\n")
    assert.same({ false, "wrong version number" }, { failing:dohandshake() })
    assert.same({ false, "wrong version number" }, { failing:dohandshake() })
    peer:close()
  end))

  -- Ends ------------------------------------------------------------------------------------------

  it("refuses calls on a closed connection that LuaSec would crash in", kit.inside(function()
    with_pair(function(client)
      client:close()
      for _, call in ipairs { "getalpn", "getsniname", "sni", "setdane", "settlsa" } do
        assert.same({ nil, "closed" }, { client[call](client, "x") })
      end
      assert.same({ false, "closed" }, { client:dohandshake() })
      kit.mistake("SSL:Connection expected, got table", client.send, {}, "x")
    end)
  end))

  it("raises an error where Lua cannot yield, before it has sent anything", kit.inside(function()
    with_pair(function(client, server)
      local generator = coroutine.wrap(function()
        for _, call in ipairs { "dohandshake", "receive", "send" } do
          kit.mistake("arsenal.coroutine", server[call], server, "*l")
        end
      end)
      generator()
      local waiting = arsenal.coroutine.wrap(function() return (client:receive()) end)
      server:send("line\n")
      assert.equal("line", waiting())
    end)
  end))

  it("refuses a server as what to wrap", kit.inside(function()
    local server <close> = assert(socket.bind("127.0.0.1", 0))
    kit.mistake("connected socket expected", ssl.wrap, server, client_options())
  end))

  -- No scenario: LuaSec has made a session by then, and closes any descriptor when that is collected.
  it("raises an error for what is no socket, and closes nothing", kit.inside(function()
    local before = #kit.descriptor_list()
    for _, value in ipairs { false, 5, "x", {} } do
      assert.is_false(pcall(ssl.wrap, value or nil, client_options()))
    end
    collectgarbage()
    assert.equal(before, #kit.descriptor_list())
  end))

  -- Leaves a connection that is not closed, and whose goodbye the kernel would not take.
  local function leave_stuck()
    local first, second = sockets()
    local client = assert(ssl.wrap(first, client_options()))
    local server = assert(ssl.wrap(second, server_options()))
    local shaking = arsenal.go(server.dohandshake, server)
    client:dohandshake()
    shaking:join()
    fill_up(server)
    return client
  end

  it("is closed by the collector, which waits for nothing", kit.inside(function()
    local before = #kit.descriptor_list()
    local client <close> = leave_stuck()
    assert(client)
    arsenal.yield()
    kit.takes(0, function()
      collectgarbage()
      collectgarbage()
    end)
    assert.equal(before + 1, #kit.descriptor_list())
  end))

  it("says goodbye when the collector closes it", kit.inside(function()
    local first, second = sockets()
    local client <close> = assert(ssl.wrap(first, client_options()))
    local sending = arsenal.go(function()
      local server = assert(ssl.wrap(second, server_options()))
      server:dohandshake()
      server:send("hello")
    end)
    client:dohandshake()
    sending:join()
    second = nil
    collectgarbage()
    collectgarbage()
    assert.same({ "hello", nil, nil }, { client:receive("*a") })
  end))

  it("does not hold up the end of a program that leaves connections open", kit.inside(function()
    local made = certificates.of("localhost")
    local result = child.run_lua([[
      local cert, key = ...
      local socket, ssl = require("arsenal.socket"), require("arsenal.ssl")
      arsenal.run(function()
        local listening = assert(socket.bind("127.0.0.1", 0))
        local first = assert(socket.connect("127.0.0.1", (select(2, listening:getsockname()))))
        client = ssl.wrap(first, { mode = "client", protocol = "any", verify = "none" })
        server = ssl.wrap(listening:accept(),
          { mode = "server", protocol = "any", certificate = cert, key = key })
        local shaking = arsenal.go(server.dohandshake, server)
        client:dohandshake()
        shaking:join()
        server:settimeout(0.05)
        print((select(2, server:send(("x"):rep(1 << 24)))))
        os.exit(0, true)
      end)]], nil, made.cert, made.key)
    assert.same({ 0, "wantwrite\n" }, { result.status, result.out }, result.err)
    assert.matches('^arsenal.ssl: [^\n]+ "verify"[^\n]+\n$', result.err) -- once
  end))

  it("takes the place of LuaSec in a program that has loaded both", kit.outside(function()
    local result = child.run_lua([[
      local ours, theirs = require("arsenal.ssl"), require("ssl")
      require("ssl.https")
      arsenal.compat.install("socket")
      require("ssl.core")
      print(require("ssl") == ours, ours ~= theirs, require("ssl.https").request ~= nil)
      local connection = ours.wrap(require("socket").tcp(), { mode = "client", protocol = "any", verify = "peer" })
      print(connection:info())]])
    assert.same({ 0, "true\ttrue\ttrue\nnil\tclosed\n" }, { result.status, result.out }, result.err)
  end))

  -- With OpenSSL's own programs ---------------------------------------------------------------------

  child.it_with("openssl")("is a server for openssl s_client", kit.inside(function()
    local listening <close> = assert(socket.bind("127.0.0.1", 0))
    local _, port = listening:getsockname()
    local answering = arsenal.go(function()
      local connection <close> = assert(ssl.wrap(assert(listening:accept()), server_options()))
      assert.is_true(connection:dohandshake())
      local line = connection:receive()
      connection:send("got " .. line .. "\n")
      return line
    end)
    local command <const> = "echo hello | openssl s_client -quiet -verify_return_error -CAfile %s -connect 127.0.0.1:%s"
    local result = child.run(command:format(certificates.trusted(), port))
    assert.equal("hello", (answering:join()))
    assert.equal("got hello\n", result.out, result.err)
  end))

  child.it_with("openssl")("reports a server that was killed in the middle", kit.inside(function()
    local made = certificates.of("localhost")
    kit.with_held_port(function(port)
      local server <close> = child.start(child.command("openssl", "s_server", "-rev", "-accept", port, "-cert",
        made.cert, "-key", made.key))
      local plain
      repeat plain = socket.connect("127.0.0.1", port) or arsenal.sleep(0.01) until plain
      local client <close> = assert(ssl.wrap(plain, client_options()))
      assert.is_true(client:dohandshake())
      local reading = kit.waiting(client.receive, client)
      server:signal("KILL")
      local line, word = reading:join()
      assert.is_nil(line)
      assert.is_string(word)
      assert.same({ nil, word, "" }, { client:receive() })
      assert.is_nil(client:send("x"))
      server:finish()
    end)
  end))
end)
