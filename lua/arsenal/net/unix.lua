-- Unix streams: connecting to a path or an abstract name, and listening on one.
-- Each single attempt is the C core's.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")

local unix = {}

-- Seconds between attempts while the listener's backlog is full: the kernel
-- tells nobody when there is room again.
local FIRST_PAUSE <const>, LONGEST_PAUSE <const> = 0.001, 0.05

local function check_mode(value)
  if math.type(value) == "integer" then
    return not (value >= 0 and value <= 511)
      and ("%d has more than the nine permission bits"):format(value)
  end
  if type(value) ~= "string" then return "octal digits in a string expected, got " .. type(value) end
  return not value:find("^0?[0-7][0-7][0-7]$") and "octal digits such as \"660\" expected, got " .. value
end

local connect_options = { timeout = "seconds" }
local listen_options = { backlog = "count", mode = check_mode, unlink = "boolean" }

local function connect(path)
  local pause = FIRST_PAUSE
  while true do
    local stream, message, code = core.unix_connect(path)
    if code ~= "EAGAIN" then return stream, message, code end
    core.sleep(pause)
    pause = math.min(2 * pause, LONGEST_PAUSE)
  end
end

---Connects to whoever listens on a path. Waits while its backlog is full.
---@param path string a path of at most 107 bytes; on Linux, after a leading NUL, an abstract name
---@param options? { timeout: number? } `timeout` in seconds
---@return arsenal.Stream? stream
---@return string? message
---@return string? code "ENOENT", "ECONNREFUSED" (nobody listens there any more), "EACCES", "TIMEOUT",
--- "ENAMETOOLONG", "EINVAL" for a path that is empty or has a NUL inside
function unix.connect(path, options)
  arguments.type(path, "string", 1, "connect")
  options = arguments.options(options, connect_options, 2, "connect")
  if not core.can_wait() then return core.outside(unix.connect, path, options) end
  if not options.timeout then return connect(path) end
  local stream, message, code = core.timeout(options.timeout, connect, path)
  if code == "TIMEOUT" then message = ("connect %s: %s"):format(path:gsub("\0", "@"), message) end
  return stream, message, code
end

local function is_abstract(path)
  return path:byte() == 0
end

---Listens on a path. The file is made here, and unlinked at close if it still is the same.
---@param path string a path of at most 107 bytes; on Linux, after a leading NUL, an abstract name
---@param options? { backlog: integer?, mode: string|integer?, unlink: boolean? }
--- `backlog` (511); `mode`: the file's permissions, in octal digits ("660") or as a number, else
--- the umask's; `unlink`: replace a socket file that nobody listens on any more.
---@return arsenal.Listener? listener
---@return string? message
---@return string? code "EADDRINUSE" where the path exists, "EACCES", "ENOENT", "ENAMETOOLONG", "EINVAL"
function unix.listen(path, options)
  arguments.type(path, "string", 1, "listen")
  options = arguments.options(options, listen_options, 2, "listen")
  if options.mode and is_abstract(path) then
    return nil, "listen: an abstract name has no mode", "EINVAL"
  end
  local mode = options.mode
  return core.unix_listen(path, {
    backlog = options.backlog,
    mode = type(mode) == "string" and tonumber(mode, 8) or mode,
    unlink = options.unlink,
  })
end

---Makes an object of an open socket: a Unix stream, or a listener if the socket listens. The
---descriptor is the object's from then on; after a failure it still is the caller's.
---@param fd integer
---@return arsenal.Stream|arsenal.Listener? object
---@return string? message
---@return string? code "EBADF", "ENOTSOCK", "EINVAL" for a socket of another kind, "ENOTCONN"
unix.from_fd = core.unix_from_fd

return unix
