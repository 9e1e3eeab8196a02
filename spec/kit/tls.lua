-- What the TLS specs share: listeners and connected pairs with certificates of spec.kit.certificates.

local arsenal = require("arsenal")
local assert = require("luassert")
local certificates = require("spec.kit.certificates")
local kit = require("spec.kit")

local tls_kit = {}

tls_kit.versions = { "1.2", "1.3" }

local function merged(defaults, options)
  local all = {}
  for _, source in ipairs { defaults, options or {} } do
    for name, value in pairs(source) do all[name] = value end
  end
  return all
end

-- The options of a server with the named certificate.
function tls_kit.server_options(options, name)
  return merged(certificates.of(name or "localhost"), options)
end

function tls_kit.client_options(options)
  local all = merged({ ca_file = certificates.trusted() }, options)
  if not all.ca_file then all.ca_file = nil end -- false: the system's
  return all
end

function tls_kit.listen(options, name)
  return assert(arsenal.tls.listen("127.0.0.1", 0, tls_kit.server_options(options, name)))
end

-- Connects to a listener of ours; returns what tls.connect does.
function tls_kit.connect(listener, options, host)
  return arsenal.tls.connect(host or "127.0.0.1", kit.port_of(listener), tls_kit.client_options(options))
end

-- A connected pair: client, server. `options.client` and `options.server`.
function tls_kit.pair(options)
  options = options or {}
  local listener <close> = tls_kit.listen(options.server)
  local accepting = arsenal.go(listener.accept, listener)
  local client = assert(tls_kit.connect(listener, options.client))
  return client, assert(accepting:join())
end

function tls_kit.with_pair(fn, options)
  local client, server = tls_kit.pair(options)
  return kit.closing_both(client, server, fn)
end

-- A client whose handshake has begun, but gets nowhere before a task accepts: its methods wait for that.
local Eager = {}

function Eager:__index(name)
  return function(_, ...)
    if name ~= "close" then assert(self.starting:join()) end
    return self.stream[name](self.stream, ...)
  end
end

function Eager:__close() self.stream:close() end

function tls_kit.eager_client(listener, options)
  local stream = kit.connect_to(listener)
  local starting = arsenal.go(stream.start_tls, stream, tls_kit.client_options(merged(
    { server_name = "localhost" }, options)))
  return setmetatable({ stream = stream, starting = starting }, Eager)
end

-- Runs the listener's accepts beside fn(listener), for failures: no handler may ever be called.
function tls_kit.with_refusing(listener_options, fn, name)
  local listener <close> = tls_kit.listen(listener_options, name)
  local called = 0
  local serving = arsenal.go(listener.serve, listener, function() called = called + 1 end)
  fn(listener)
  listener:close()
  serving:join()
  assert.equal(0, called, "a handler ran")
end

-- A proxy between a TLS client and a listener that passes `count` bytes of what the server sends,
-- and then ends both connections without a word. Returns its port and task.
function tls_kit.cutting_proxy(listener, count)
  local proxy = kit.listen()
  local port = kit.port_of(proxy)
  return port, arsenal.go(function()
    local near <close> = assert(proxy:accept())
    local far <close> = kit.connect_to(listener)
    proxy:close()
    local up = arsenal.go(function()
      for chunk in near:chunks() do far:send(chunk) end
    end)
    local left = count
    while left > 0 do
      local chunk = far:recv(left)
      if not chunk then break end
      near:send(chunk)
      left = left - #chunk
    end
    near:shutdown()
    up:cancel()
    up:join()
  end)
end

-- A connected pair with a proxy between: client, server, and a function that ends the direction to
-- the client without a word.
function tls_kit.pair_to_cut(options)
  local listener <close> = tls_kit.listen(options)
  local proxy <close> = kit.listen()
  local near, far
  arsenal.go(function()
    near, far = assert(proxy:accept()), kit.connect_to(listener)
    local up = arsenal.go(arsenal.copy, near, far)
    for chunk in far:chunks() do
      if not near:send(chunk) then break end
    end
    near:shutdown()
    up:join()
    near:close()
    far:close()
  end)
  local accepting = arsenal.go(listener.accept, listener)
  local client = assert(arsenal.tls.connect("127.0.0.1", kit.port_of(proxy), tls_kit.client_options()))
  return client, assert(accepting:join()), function() near:shutdown() end
end

return tls_kit
