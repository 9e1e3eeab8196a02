-- Whom TLS trusts, and for what: key exchange, ciphers, names, saved sessions and tickets. #case46

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside
local it_openssl <const> = child.it_with("openssl")

local ANONYMOUS <const> = "ALL:aNULL:@SECLEVEL=0"

-- Answers each line with whether its session was resumed.
local function tell_resumed(stream)
  assert(stream:recv_line())
  stream:send(tostring(stream:tls_info().resumed), "\n")
end

local function serving(options, handler, fn)
  local listener <close> = tls_kit.listen(options)
  local task = arsenal.go(listener.serve, listener, handler)
  fn(listener)
  listener:close()
  task:join()
end

-- Connects and exchanges a line; returns the session, and whether it was resumed.
local function exchange(listener, options)
  local stream <close> = assert(tls_kit.connect(listener, options, "localhost"))
  stream:send("hello\n")
  assert(stream:recv_line())
  local info = stream:tls_info()
  return info.session, info.resumed
end

describe("key exchange (#case46)", function()
  it_openssl("is by curves only", inside(function()
    tls_kit.with_refusing({}, function(listener)
      local refused = 0
      kit.less_than(kit.slow and 1 or 0.05, function() -- the server computes nothing for it
        local before = os.clock()
        local client = child.run(child.command("openssl", "s_client", "-groups", "ffdhe8192", "-connect",
          "127.0.0.1:" .. kit.port_of(listener)))
        assert.not_equal(0, client.status)
        refused = refused + 1
        kit.turn_until(function() return listener:stats().failed == refused end)
        return os.clock() - before
      end)
    end)
  end))
end)

describe("ciphers (#case46)", function()
  it("without certificates or encryption are never taken", inside(function()
    for _, ciphers in ipairs { "aNULL", "eNULL", "aNULL:@SECLEVEL=0" } do
      kit.fails("EINVAL", arsenal.tls.connect("127.0.0.1", kit.dead_port, { ciphers = ciphers }))
      kit.fails("EINVAL", arsenal.tls.listen("127.0.0.1", 0, tls_kit.server_options { ciphers = ciphers }))
    end
  end))

  it_openssl("of a server without certificate are refused", inside(function()
    kit.with_held_port(function(port)
      local peer <close> = child.start(child.command("openssl", "s_server", "-accept", port, "-nocert", "-tls1_2",
        "-rev", "-cipher", ANONYMOUS))
      peer:expect("ACCEPT")
      kit.fails("TLS", arsenal.tls.connect("127.0.0.1", port, { ciphers = ANONYMOUS }))
    end)
  end))

  it("cannot lower the security level", inside(function()
    local made = certificates.weak()
    local options = { cert = made.cert, key = made.key, ciphers = "DEFAULT:@SECLEVEL=0" }
    local message = kit.fails("EINVAL", arsenal.tls.listen("127.0.0.1", 0, options))
    assert.matches("too small", message)
  end))
end)

describe("strings with a NUL (#case46)", function()
  it("are no file names and no ciphers", inside(function()
    local made = certificates.of("localhost")
    for option, value in pairs {
      cert = made.cert .. "\0", key = made.key .. "\0.pem", ca_file = made.cert .. "\0", ciphers = "ECDHE+AESGCM\0:x",
    } do
      local options = tls_kit.server_options { [option] = value }
      assert.matches(option, kit.fails("EINVAL", arsenal.tls.listen("127.0.0.1", 0, options)))
      options = { [option] = value, cert = option == "cert" and value or made.cert, key = options.key }
      assert.matches(option, kit.fails("EINVAL", arsenal.tls.connect("127.0.0.1", kit.dead_port, options)))
    end
    kit.fails("EINVAL", arsenal.tls.connect("127.0.0.1", kit.dead_port, { ca_path = certificates.folder .. "\0x" }))
  end))
end)

-- A program whose ticket keys change soon. Shows whether a session is resumed under the key that it was made with, the
-- next one, and the one after that. If the machine is so slow that a key has passed meanwhile, it begins again with
-- keys that last longer.
local TICKET_KEYS <const> = [[
  local version, cert, key, trusted = table.unpack(arg)
  local function exchange(port, session)
    local stream <close> = assert(arsenal.tls.connect("localhost", port, { ca_file = trusted, session = session }))
    stream:send("hello\n")
    assert(stream:recv_line())
    return stream:tls_info()
  end
  -- Returns nil if it was too slow.
  local function try(lifetime)
    require("arsenal.tls.contexts").ticket_key_lifetime = lifetime
    local options = { max_version = version, cert = cert, key = key }
    local listener <close> = assert(arsenal.tls.listen("127.0.0.1", 0, options))
    local _, port = listener:local_address()
    arsenal.go(function()
      listener:serve(function(stream) stream:send(assert(stream:recv_line()), "\n") end)
    end)
    local began, found = arsenal.now(), {}
    local session = exchange(port).session
    for i = 1, 3 do
      exchange(port) -- makes a key if it is time
      found[i] = exchange(port, session).resumed
      if i == 2 and arsenal.now() - began >= 2 * lifetime then return nil end
      arsenal.sleep(1.1 * lifetime)
    end
    return found
  end
  arsenal.run(function()
    local lifetime, found = 0.5, nil
    repeat
      found = try(lifetime)
      lifetime = 2 * lifetime
    until found
    print(table.unpack(found))
  end)
]]

-- A client's saved session ------------------------------------------------------------------------

for _, version in ipairs(tls_kit.versions) do
  describe("a saved session, TLS " .. version .. " (#case46),", function()
    local function copy_of(name, from)
      return certificates.file(name, certificates.read(from))
    end

    it("is not resumed with another client certificate, or none", inside(function()
      local client, other = certificates.of("client"), certificates.of("other client")
      local server = { max_version = version, client_cert = "request", ca_file = certificates.trusted() }
      serving(server, tell_resumed, function(listener)
        local session = exchange(listener, client)
        local function is_resumed(options)
          local all = { session = session }
          for name, value in pairs(options) do all[name] = value end
          return select(2, exchange(listener, all))
        end
        assert.is_true(is_resumed(client))
        assert.is_false(is_resumed(other))
        assert.is_false(is_resumed {})
        local copied = { cert = copy_of("copied.pem", client.cert), key = copy_of("copied.key", client.key) }
        assert.is_true(is_resumed(copied), "the contents count")
      end)
    end))

    it("is not resumed when ca_file has other authorities", inside(function()
      serving({ max_version = version }, tell_resumed, function(listener)
        local file = copy_of("authorities.pem", certificates.trusted())
        local session = exchange(listener, { ca_file = file })
        assert.is_true(select(2, exchange(listener, { ca_file = file, session = session })))
        copy_of("authorities.pem", certificates.authority("unknown authority").cert)
        kit.fails("CERT", tls_kit.connect(listener, { ca_file = file, session = session }, "localhost"))
      end)
    end))

    it_openssl("serves no other name", inside(function()
      local server = { max_version = version, sni = function() end }
      for _, sni in ipairs { false, server.sni } do
        server.sni = sni or nil
        serving(server, tell_resumed, function(listener)
          local file = certificates.folder .. "/named session"
          local function is_resumed(name, way)
            local client <close> = child.start(("sh -c 'echo hello; sleep 5' | openssl s_client " ..
              "-connect 127.0.0.1:%d -servername %s -sess_%s '%s'"):format(kit.port_of(listener), name, way, file))
            return client:expect("^(%l+)$")
          end
          assert.equal("false", is_resumed("a.example", "out"))
          assert.equal("true", is_resumed("A.example.", "in"))
          assert.equal("false", is_resumed("b.example", "in"))
        end)
      end
    end, { limit = 2 * kit.limit }))

    it("is resumed under the last two ticket keys only", inside(function()
      local made = certificates.of("localhost")
      local result = child.run_lua(TICKET_KEYS, { limit = 4 * kit.limit }, version, made.cert, made.key,
        certificates.trusted())
      assert.equal("", result.err)
      assert.equal("true\ttrue\tfalse\n", result.out)
    end, { limit = 4 * kit.limit }))
  end)
end

-- Names -------------------------------------------------------------------------------------------

-- The record of a TLS 1.2 client hello with this extension of type server_name.
local function client_hello(extension)
  local body = "\3\3" .. ("r"):rep(32) .. "\0" .. string.pack(">s2", "\xc0\x2f\xc0\x2b") .. "\1\0"
    .. string.pack(">s2", "\0\0" .. string.pack(">s2", extension))
  local message = "\1" .. string.pack(">I3", #body) .. body
  local records = {}
  for from = 1, #message, 16384 do
    records[#records + 1] = "\22\3\1" .. string.pack(">s2", message:sub(from, from + 16383))
  end
  return table.concat(records)
end

local function one_name(name)
  return string.pack(">s2", "\0" .. string.pack(">s2", name))
end

describe("the name that a client asks for (#case46)", function()
  -- Sends a hello to a server; returns the names that its sni function was called with.
  local function asked_with(extension, with_function)
    local asked = {}
    local sni = with_function and function(name)
      asked[#asked + 1] = name or "none"
      return false
    end or nil
    tls_kit.with_refusing({ sni = sni }, function(listener)
      local client <close> = kit.connect_to(listener)
      client:send(client_hello(extension))
      local answer = client:recv()
      assert.equal("\21\3\3\0\2\2\112", answer, "the alert unrecognized_name")
      client:close()
      kit.turn_until(function() return listener:stats().failed == 1 end)
    end)
    return table.concat(asked, ",")
  end

  it("comes to Lua in lower case, and without its final dot", inside(function()
    local longest = ("a"):rep(63) .. ("." .. ("b"):rep(63)):rep(2) .. "." .. ("c"):rep(61)
    for given, expected in pairs {
      ["a.example"] = "a.example", ["A-1.EXAMPLE."] = "a-1.example", ["_x_.example"] = "_x_.example",
      ["127.0.0.1"] = "127.0.0.1", [longest] = longest, [longest .. "."] = longest,
    } do
      assert.equal(expected, asked_with(one_name(given), true))
    end
  end))

  local wrong <const> = {
    "", ".", "..", ".a", "a..b", "a.b..", "a\0.example", "a\0", "a/b", "../etc/passwd", "a b", "a\n", "a:1", "*.a",
    "\xc3\xa9.example", "[::1]", ("a"):rep(64), ("a."):rep(127) .. "a", ("x"):rep(60000),
  }

  it("is refused if it is none", inside(function()
    for _, name in ipairs(wrong) do
      assert.equal("", asked_with(one_name(name), true))
      assert.equal("", asked_with(one_name(name), false))
    end
  end, { limit = 3 * kit.limit }))

  it("is refused if there are two, or none where one should be", inside(function()
    local name = one_name("a.example")
    for _, extension in ipairs {
      "", "\0\0", name .. "x", name:sub(1, -2), string.pack(">s2", name:sub(3):rep(2)), "\0\12\1" .. name:sub(4),
    } do
      assert.equal("", asked_with(extension, true))
    end
  end))

  it("is told by tls_info in lower case", inside(function()
    serving({ max_version = "1.2" }, function(stream)
      stream:send(stream:tls_info().server_name, "\n")
    end, function(listener)
      local stream <close> = assert(tls_kit.connect(listener, { server_name = "LOCALHOST." }))
      assert.equal("localhost", stream:recv_line())
    end)
  end))
end)

describe("the name that a server's certificate must be for (#case46)", function()
  it("has no empty label and no odd characters", inside(function()
    for _, name in ipairs { "", ".", "a..b", ".localhost", "localhost..", "local host", "a\0b", "a/b", "a:1" } do
      local options = tls_kit.client_options { server_name = name }
      kit.fails("EINVAL", arsenal.tls.connect("127.0.0.1", kit.dead_port, options))
      kit.with_pair(function(client) kit.fails("EINVAL", client:start_tls(options)) end)
    end
  end))

  it("is no address unless it is written as addresses are", inside(function()
    serving({}, kit.echo, function(listener)
      for _, name in ipairs { "0127.0.0.1", "127.0.0.01", "127.1", "2130706433", "0x7f.0.0.1" } do
        kit.fails("CERT", tls_kit.connect(listener, { server_name = name }))
      end
      kit.fails("EINVAL", tls_kit.connect(listener, { server_name = "127.0.0.1." }))
      local client <close> = assert(tls_kit.connect(listener, { server_name = "127.0.0.1" }))
      assert.equal("localhost", client:tls_info().certificate.names[1])
    end)
  end))
end)
