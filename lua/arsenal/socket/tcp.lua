-- The objects of socket.tcp.

local classes = require("arsenal.socket.classes")
local connection = require("arsenal.socket.connection")
local lookup = require("arsenal.socket.lookup")
local words = require("arsenal.socket.words")

local tcp = {}

local kind = { name = "tcp", options = "tcp" }

function kind.addresses(self, method, host, port)
  host, port = classes.string(host, 1, method), classes.string(port, 2, method)
  local list, number = lookup.endpoint(host, port, self.family)
  if not list then return nil, number end
  local addresses = {}
  for i, address in ipairs(list) do
    addresses[i] = { address.address, number, family = address.family }
  end
  return addresses
end

function kind.names(self, host, port, code)
  if not host then return nil, words.of(port, code) end
  return host, port, self.family or (host:find(":", 1, true) and "inet6" or "inet")
end

local new_master <const> = connection.define(kind)

-- Returns an object without a socket, which it gets when it knows the family.
function tcp.new() return new_master() end
function tcp.new4() return new_master("inet") end
function tcp.new6() return new_master("inet6") end

-- socket.connect: returns a connected client; or nil and a word.
function tcp.connect(host, port, local_host, local_port, family)
  host, port = classes.string(host, 1, "connect"), classes.string(port, 2, "connect")
  if family ~= nil and family ~= "inet" and family ~= "inet6" and family ~= "unspec" then
    classes.refuse(5, "connect", ("invalid option '%s'"):format(tostring(family)))
  end
  local object = tcp.new()
  object.family = family ~= "unspec" and family or nil
  if local_host ~= nil then
    local bound, word = object:bind(local_host, local_port == nil and "0" or local_port)
    if not bound then return nil, word end
  end
  local done, word = object:connect(host, port)
  if done then return object end
  object:close()
  return nil, word
end

return tcp
