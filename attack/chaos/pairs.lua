-- Connected pairs of streams of each family.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local HANDSHAKE <const> = 60 -- seconds: workers may keep all processors busy

local families = {}

function families.tcp()
  return kit.tcp_pair()
end

function families.unix()
  local path = os.tmpname()
  os.remove(path)
  local listener <close> = assert(arsenal.unix.listen(path))
  local client = assert(arsenal.unix.connect(path))
  return client, assert(listener:accept())
end

local function tls_of(version)
  return function()
    local listener <close> = tls_kit.listen { handshake_timeout = HANDSHAKE }
    local both = {}
    local _ <close> = closing.call(function(err)
      if err ~= nil then for _, stream in pairs(both) do stream:close() end end
    end)
    arsenal.group(function(group)
      group:go(function() both.server = assert(listener:accept()) end)
      both.client = assert(tls_kit.connect(listener, { max_version = version, timeout = HANDSHAKE }))
    end)
    return both.client, both.server
  end
end

families.tls12 = tls_of("1.2")
families.tls13 = tls_of("1.3")

-- TCP first, and then TLS on both sides.
function families.upgraded()
  local client, server = kit.tcp_pair()
  local _ <close> = closing.on_error(client)
  local _ <close> = closing.on_error(server)
  arsenal.group(function(group)
    group:go(function() assert(server:start_tls(tls_kit.server_options { handshake_timeout = HANDSHAKE })) end)
    assert(client:start_tls(tls_kit.client_options { server_name = "localhost", timeout = HANDSHAKE }))
  end)
  return client, server
end

local names <const> = { "tcp", "tcp", "unix", "unix", "tls12", "tls13", "upgraded" }

-- Returns a connected pair of a random family, and whether it is TLS. Some have small buffers.
return function(context)
  local random = context.random
  local family = random:pick(names)
  local near, far = families[family]()
  context:count(family)
  if random:chance(70) then
    kit.small_buffers(near)
    kit.small_buffers(far)
  end
  return near, far, family ~= "tcp" and family ~= "unix"
end
