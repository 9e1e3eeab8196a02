-- What a program and systemd tell each other: the sockets that it passes (sd_listen_fds(3)), states (sd_notify(3)) and
-- the watchdog (sd_watchdog_enabled(3)).

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local unix = require("arsenal.net.unix")

---@class arsenal.systemd
local systemd = {}

-- Sockets -----------------------------------------------------------------------------------------

local function split(names)
  local list = {}
  for name in (names or ""):gmatch("[^:]*") do list[#list + 1] = name end
  return list
end

---@class arsenal.HandedOver
---@field fd integer the descriptor
---@field name string the name in the unit file (`FileDescriptorName=`), or "unknown"
---@field socket (arsenal.Listener|arsenal.Stream|arsenal.DatagramSocket|arsenal.UnixDatagramSocket)? the object
---@field message string? the reason if `socket` is nil

---Returns the sockets that systemd started this program with, in its order, each as an object that owns its
---descriptor. A second call returns an empty list, because the first one removes the environment's variables.
---@return arsenal.HandedOver[] sockets
---@nodiscard
function systemd.listen_fds()
  local first, count, names = core.handed_over()
  local list, given = {}, split(names)
  for i = 1, count do
    local fd, name = first + i - 1, given[i]
    local socket, message = core.from_fd(fd)
    list[i] = { fd = fd, name = name and name ~= "" and name or "unknown", socket = socket or nil, message = message }
  end
  return list
end

-- States ------------------------------------------------------------------------------------------

-- Returns the address that states are sent to; nil if systemd has not asked for any.
local function notify_path()
  local path = os.getenv("NOTIFY_SOCKET")
  if not path or path == "" then return nil end
  return (path:gsub("^@", "\0"))
end

-- systemd needs the time at which a reload has begun, to know that it is the one that it has asked for.
local function with_time(state)
  local lines = "\n" .. state .. "\n"
  if not lines:find("\nRELOADING=1\n", 1, true) or lines:find("\nMONOTONIC_USEC=", 1, true) then return state end
  return ("%s\nMONOTONIC_USEC=%d"):format(state:gsub("\n$", ""), core.now() * 1e6 // 1 | 0)
end

---Tells systemd a state of the program, such as "READY=1". Several stand on a line each. "RELOADING=1" is sent with the
---time, as systemd wants it. Waits while systemd's socket has no room.
---@param state string "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=…", or another of sd_notify(3)
---@return true? done nil without a message if systemd has not asked for states: NOTIFY_SOCKET is not set
---@return string? message
---@return string? code "ENOENT" or "ECONNREFUSED" if nobody receives there, "EINVAL", or another errno's name
---@async
function systemd.notify(state)
  arguments.type(state, "string", 1, "notify")
  if state == "" then arguments.refuse(1, "notify", "the state is empty") end
  if not core.can_wait() then return core.outside(systemd.notify, state) end
  local path = notify_path()
  if not path then return nil end
  if not path:find("^[/\0]") then
    return nil, ("notify %s: a path or an abstract name expected in NOTIFY_SOCKET"):format(path), "EINVAL"
  end
  local socket, message, code = unix.datagram()
  if not socket then return nil, message, code end
  local sending <close> = socket
  local size
  size, message, code = sending:send_to(with_time(state), path)
  if not size then return nil, message, code end
  return true
end

-- The watchdog ------------------------------------------------------------------------------------

-- Returns the seconds between two pings; nil if systemd does not want any from this process.
local function ping_interval()
  local usec, pid = tonumber(os.getenv("WATCHDOG_USEC")), os.getenv("WATCHDOG_PID")
  if pid and tonumber(pid) ~= core.process_id() then return nil end
  if not notify_path() or not usec or usec <= 0 then return nil end
  return usec / 2e6
end

-- A ping that fails is no reason to end: systemd may be starting anew.
local function ping(interval)
  while true do
    systemd.notify("WATCHDOG=1")
    core.sleep(interval)
  end
end

---Starts a background task that pings systemd's watchdog (WatchdogSec= in the unit), twice in each of its intervals. It
---pings as long as the loop turns: if a task keeps the loop for too long, systemd restarts the program.
---@return arsenal.Task? task nil if systemd does not want pings from this process
function systemd.watchdog()
  local interval = ping_interval()
  if not interval then return nil end
  return core.background(ping, interval)
end

return systemd
