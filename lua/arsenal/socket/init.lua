-- arsenal.socket: LuaSocket's functions and objects on arsenal's loop. Calls that wait let other tasks run; everything
-- else is as in LuaSocket: seconds of settimeout, patterns, partial results, the words of failures.

local arsenal = require("arsenal")
local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local flow = require("arsenal.socket.flow")
local lookup = require("arsenal.socket.lookup")
local tcp = require("arsenal.socket.tcp")
local udp = require("arsenal.socket.udp")

---@class (partial) arsenal.socket.Module
local socket = {}

socket._VERSION = "LuaSocket 3.0.0" -- the one that it is like
socket._SETSIZE = 1024
socket._DATAGRAMSIZE = udp.DATAGRAM_SIZE
socket._SOCKETINVALID = -1
socket.BLOCKSIZE = 2048

socket.tcp, socket.tcp4, socket.tcp6 = tcp.new, tcp.new4, tcp.new6
socket.udp, socket.udp4, socket.udp6 = udp.new, udp.new4, udp.new6
socket.dns = lookup.dns
socket.select = require("arsenal.socket.select")

socket.connect = tcp.connect

---As `connect`, by IPv4 only.
---@param host string
---@param port string|integer
---@param local_host? string
---@param local_port? string|integer
---@return arsenal.socket.Tcp? client
---@return string? word
---@async
function socket.connect4(host, port, local_host, local_port)
  return tcp.connect(host, port, local_host, local_port, "inet")
end

---As `connect`, by IPv6 only.
---@param host string
---@param port string|integer
---@param local_host? string
---@param local_port? string|integer
---@return arsenal.socket.Tcp? client
---@return string? word
---@async
function socket.connect6(host, port, local_host, local_port)
  return tcp.connect(host, port, local_host, local_port, "inet6")
end

---Returns a server on the first of the host's addresses that it can have.
---@param host string a name, a numeric address, or "*"
---@param port string|integer
---@param backlog? integer default: 32
---@return arsenal.socket.Tcp? server
---@return string? word
---@async
function socket.bind(host, port, backlog)
  local addresses, word = lookup.dns.getaddrinfo(host == "*" and "0.0.0.0" or host)
  if not addresses then return nil, word end
  for _, address in ipairs(addresses) do
    local server
    server, word = (address.family == "inet" and tcp.new4 or tcp.new6)()
    if not server then return nil, word end
    local done
    server:setoption("reuseaddr", true)
    done, word = server:bind(address.addr, port)
    if done then done, word = server:listen(backlog) end
    if done then return server end
    server:close()
  end
  return nil, word
end

socket.gettime = core.time_of_day

---Waits.
---@param seconds number
---@async
function socket.sleep(seconds)
  seconds = classes.number(seconds, 1, "sleep")
  arsenal.sleep(seconds == seconds and math.max(seconds, 0) or 0)
end

socket.newtry, socket.protect, socket.skip, socket.choose = flow.newtry, flow.protect, flow.skip, flow.choose
socket.try = socket.newtry()

flow.define_sources(function() return socket.BLOCKSIZE end)
socket.sinkt, socket.sourcet = flow.sinkt, flow.sourcet
socket.sink, socket.source = flow.choose(flow.sinkt), flow.choose(flow.sourcet)

function socket.__unload() end

return socket
