-- Unix streams: connecting to a path or an abstract name, and listening on one.
-- The C core makes each attempt.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local time_limit = require("arsenal.internal.time_limit")

---@class arsenal.unix
local unix = {}

-- Seconds between attempts while the listener's backlog is full: the kernel does
-- not report when there is room again.
local FIRST_PAUSE <const>, LONGEST_PAUSE <const> = 0.001, 0.05

local connect_options = { timeout = "seconds" }
local listen_options = { backlog = "count", mode = "mode", unlink = "boolean" }

local function connect(path)
  local pause = FIRST_PAUSE
  while true do
    local stream, message, code = core.unix_connect(path)
    if stream then return stream end
    if code ~= "EAGAIN" then return nil, message, code end
    core.sleep(pause)
    pause = math.min(2 * pause, LONGEST_PAUSE)
  end
end

---@class arsenal.UnixConnectOptions
---@field timeout? number seconds; default: no limit

---Connects to the listener on a path. Waits while the listener's backlog is full.
---@param path string at most 107 bytes (103 on macOS); on Linux, after a leading NUL, an abstract name
---@param options? arsenal.UnixConnectOptions
---@return arsenal.Stream? stream
---@return string? message
---@return string? code "ENOENT", "ECONNREFUSED" if no process listens, "EACCES", "TIMEOUT", "ENAMETOOLONG", "EINVAL"
---@nodiscard
---@async
function unix.connect(path, options)
  arguments.type(path, "string", 1, "connect")
  options = arguments.options(options, connect_options, 2, "connect")
  if not core.can_wait() then return core.outside(unix.connect, path, options) end
  return time_limit.within(options.timeout, "connect %s", (path:gsub("\0", "@")), connect, path)
end

local function is_abstract(path)
  return path:byte() == 0
end

---@class arsenal.UnixListenOptions
---@field backlog? integer connections that the kernel keeps until they are accepted; default 511
---@field mode? string|integer permissions of the file, as octal digits ("660") or a number; default: by the umask
---@field unlink? boolean replace a socket file on which no program listens; default false

---Listens on a path, and makes a socket file there, which `close` removes if it is still the same file.
---@param path string at most 107 bytes (103 on macOS); on Linux, after a leading NUL, an abstract name
---@param options? arsenal.UnixListenOptions
---@return arsenal.Listener? listener
---@return string? message
---@return string? code "EADDRINUSE" if the path exists, "EACCES", "ENOENT", "ENAMETOOLONG", "EINVAL"
---@nodiscard
function unix.listen(path, options)
  arguments.type(path, "string", 1, "listen")
  options = arguments.options(options, listen_options, 2, "listen")
  if options.mode and is_abstract(path) then
    return nil, "listen: option 'mode' cannot be used with an abstract name", "EINVAL"
  end
  local mode = arguments.mode_number(options.mode)
  return core.unix_listen(path, { backlog = options.backlog, mode = mode, unlink = options.unlink })
end

-- Datagrams ---------------------------------------------------------------------------------------

local datagram_options = {
  mode = "mode", unlink = "boolean", peer = "string", recv_buffer = "count", send_buffer = "count",
}

---@class arsenal.UnixDatagramOptions
---@field mode? string|integer the file's permissions, as octal digits ("660") or as a number; default: by the umask
---@field unlink? boolean replace a socket file whose socket no program has any more; default false
---@field peer? string path of the one socket that it talks with; others get "EPERM" when they send to it
---@field recv_buffer? integer bytes requested from the kernel
---@field send_buffer? integer bytes requested from the kernel; a datagram that does not fit is "EMSGSIZE"

---Makes a Unix datagram socket. With a path, it receives what is sent there, and makes a socket file, which `close`
---removes if it is still the same file. Without one, nobody can send to it, unless `peer` is connected to it.
---@param path? string at most 107 bytes (103 on macOS); on Linux, after a leading NUL, an abstract name
---@param options? arsenal.UnixDatagramOptions
---@return arsenal.UnixDatagramSocket? socket
---@return string? message
---@return string? code "EADDRINUSE" if the path exists, "ENOENT" or "ECONNREFUSED" if nobody has `peer`, "EACCES", …
---@nodiscard
function unix.datagram(path, options)
  if path ~= nil then arguments.type(path, "string", 1, "datagram") end
  options = arguments.options(options, datagram_options, 2, "datagram")
  if options.mode and (path == nil or is_abstract(path)) then
    return nil, "bind: option 'mode' can be used with a path only", "EINVAL"
  end
  return core.unix_datagram(path, {
    mode = arguments.mode_number(options.mode), unlink = options.unlink, peer = options.peer,
    recv_buffer = options.recv_buffer, send_buffer = options.send_buffer,
  })
end

local function wait_for_room(socket, path)
  local gauge <close> = core.unix_datagram(nil, { peer = path })
  return core.unix_wait_for_room(socket, gauge)
end

local function send_when_room(socket, data, path)
  while true do
    local is_over, message, code = wait_for_room(socket, path)
    if not is_over then return nil, message, code end
    local size
    size, message, code = core.unix_try_send_to(socket, data, path)
    if size then return size end
    if size == nil then return nil, message, code end
  end
end

-- socket:send_to where there is no room for the datagram. `seconds`: its time limit, or nil.
core.register("send_to_full", function(socket, data, path, seconds)
  return time_limit.within(seconds, "send_to %s", (path:gsub("\0", "@")), send_when_room, socket, data, path)
end)

unix.from_fd = core.unix_from_fd

return unix
