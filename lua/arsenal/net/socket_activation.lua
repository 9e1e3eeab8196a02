-- Socket activation: the sockets that systemd passes to a program (sd_listen_fds(3)).

local core = require("arsenal.core")

local socket_activation = {}

local function split(names)
  local list = {}
  for name in (names or ""):gmatch("[^:]*") do list[#list + 1] = name end
  return list
end

---@class arsenal.HandedOver
---@field fd integer the descriptor
---@field name string the unit's FileDescriptorName, or "unknown"
---@field socket (arsenal.Listener|arsenal.Stream|arsenal.DatagramSocket)? nil if it is no socket of a known kind
---@field message string? the reason if `socket` is nil

---Returns the sockets that systemd started this program with, in its order, each as an object that owns its
---descriptor. A second call returns an empty list, because the first one removes the environment's variables.
---@return arsenal.HandedOver[] sockets
---@nodiscard
function socket_activation.listen_fds()
  local first, count, names = core.handed_over()
  local list, given = {}, split(names)
  for i = 1, count do
    local fd, name = first + i - 1, given[i]
    local socket, message = core.from_fd(fd)
    list[i] = { fd = fd, name = name and name ~= "" and name or "unknown", socket = socket or nil, message = message }
  end
  return list
end

return socket_activation
