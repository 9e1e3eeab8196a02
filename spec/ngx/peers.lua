-- The servers that scenarios.lua and peer_scenarios.lua talk to, on OpenResty and on arsenal.ngx.

local arsenal = require("arsenal")
local assert = require("luassert")
local certificates = require("spec.kit.certificates")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local peers = {}

-- Calls orders[what](text) for each line of a client.
local function follow(stream, orders)
  for line in function() return (stream:recv_line()) end do
    local what, text = line:match("^(%a+) ?(.*)$")
    orders[what](text)
  end
end

-- TCP --------------------------------------------------------------------------------------------

-- Returns the handler of the server of scenarios.lua. A client says what is to be done with the connection of a number.
local function tcp_handler()
  local streams = {}
  return function(stream)
    local orders = {}
    function orders.echo(size)
      local data = stream:recv_exactly(math.tointeger(tonumber(size)))
      if data then stream:send(data) end
    end
    function orders.number(number)
      streams[number] = stream
      stream:send("done\n")
    end
    local function about_others(name, fn)
      orders[name] = function(text)
        local number, argument = text:match("^(%d+) ?(%x*)$")
        fn(streams[number], argument)
        stream:send("done\n")
      end
    end
    about_others("say", function(other, text)
      other:send((text:gsub("..", function(byte) return string.char(tonumber(byte, 16)) end)))
    end)
    about_others("end", function(other) other:shutdown() end)
    about_others("reset", function(other) other:reset() end)
    follow(stream, orders)
  end
end

-- Handlers by the name of the server: those that know no TLS, for handshakes that fail.
local tcp_handlers <const> = {
  garbage = function(stream)
    stream:send(("garbage\n"):rep(10))
    stream:recv_all()
  end,
  gone = function(stream) stream:recv() end,
  reset = function(stream)
    stream:recv()
    stream:reset()
  end,
  silent = function(stream) stream:recv_all() end,
}

-- TLS --------------------------------------------------------------------------------------------

local function tls_handler(stream)
  local orders = {}
  function orders.who()
    local info = stream:tls_info()
    local certificate = info.certificate and info.certificate.subject
    stream:send(("name %s, certificate %s, resumed %s\n"):format(info.server_name, certificate, info.resumed))
  end
  function orders.say(text) stream:send(text .. "\n") end
  function orders.bye() stream:shutdown() end
  function orders.cut()
    stream:send("half a line")
    stream:reset()
  end
  follow(stream, orders)
end

-- By the name of the server: its certificate and options.
local tls_servers <const> = {
  tls12 = { "localhost", max_version = "1.2" },
  tls13 = { "localhost", min_version = "1.3" },
  other = { "other" },
  expired = { "expired" },
  stranger = { "stranger" },
  forclients = { "for clients" },
  wanting12 = { "localhost", max_version = "1.2", client_cert = "require" },
  wanting13 = { "localhost", min_version = "1.3", client_cert = "require" },
}

local function listen_with_tls(description)
  local options = { ca_file = certificates.trusted() }
  for name, value in pairs(description) do options[name] = value end
  local certificate = table.remove(options, 1)
  return tls_kit.listen(options, certificate)
end

-- UDP --------------------------------------------------------------------------------------------

-- Datagrams that have an answer.
local answers <const> = {
  echo = function(text) return text end,
  size = function(text) return ("x"):rep(math.tointeger(tonumber(text))) end,
  empty = function() return "" end,
}

local function answer_datagrams(socket)
  while true do
    local data, host, port = socket:recv_from()
    if not data then return end
    local what, text = data:match("^(%w+) ?(.*)$")
    local answer = answers[what]
    if answer then socket:send_to(answer(text), host, port) end
  end
end

-- All --------------------------------------------------------------------------------------------

local function identities()
  local certificate, strange = certificates.of("client"), certificates.of("strange client")
  return {
    certificate = certificate.cert, key = certificate.key,
    strange_certificate = strange.cert, strange_key = strange.key,
  }
end

-- Calls fn(known) while all servers run. `known` has the port of each by its name, and files of certificates and keys.
function peers.with_all(fn)
  local known, serving = identities(), {}
  local function serve(server, run, ...)
    serving[#serving + 1] = { server = server, task = arsenal.go(run, server, ...) }
  end
  local function serve_streams(name, listener, handler)
    known[name] = kit.port_of(listener)
    serve(listener, listener.serve, handler)
  end
  serve_streams("tcp", kit.listen(), tcp_handler())
  for name, handler in pairs(tcp_handlers) do serve_streams(name, kit.listen(), handler) end
  for name, description in pairs(tls_servers) do serve_streams(name, listen_with_tls(description), tls_handler) end
  local udp <const> = assert(arsenal.udp.bind("127.0.0.1", 0))
  known.udp = select(2, udp:local_address())
  known.unix = certificates.folder .. "/datagrams"
  serve(udp, answer_datagrams)
  serve(assert(arsenal.unix.datagram(known.unix)), answer_datagrams)
  fn(known)
  for _, one in ipairs(serving) do
    local finish = one.server.shutdown or one.server.close
    finish(one.server, 0)
    one.task:join()
  end
end

return peers
