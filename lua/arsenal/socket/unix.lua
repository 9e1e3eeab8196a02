-- socket.unix: streams on paths. The module can be called, as LuaSocket's.

local classes = require("arsenal.socket.classes")
local connection = require("arsenal.socket.connection")
local words = require("arsenal.socket.words")

local kind = { name = "unixstream", options = "unix" }

function kind.addresses(_, method, path)
  path = classes.string(path, 1, method)
  return { { path, family = "unix" } }
end

function kind.names(_, path, message, code)
  if not path then return nil, words.of(message, code) end
  return path
end

local new_master <const> = connection.define(kind)

local unix = {}

function unix.stream() return new_master("unix") end
unix.tcp = unix.stream

return setmetatable(unix, { __call = function() return unix.stream() end })
