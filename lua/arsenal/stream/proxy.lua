-- The proxy: copies between two streams in both directions, and passes on the end of each direction.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local group = require("arsenal.task.group")

local proxy = {}

-- A write fails with these codes if its peer is gone. The peer may have sent an answer before: the other direction
-- delivers it, and ends by itself.
local gone = { EPIPE = true, ECONNRESET = true }

-- Whether bytes can go from one stream to the other: pipes have one direction only.
local function can_flow(from, to)
  local receives = core.stream_directions(from)
  local _, sends = core.stream_directions(to)
  return receives and sends
end

-- Copies in one direction, and ends it with a half-close, unless the other direction has failed.
local function forward(state, from, to)
  if not can_flow(from, to) then return 0 end
  local count, message, code, _, failed = core.copy(from, to)
  if count and not state.code then
    local ended
    ended, message, code = to:shutdown()
    if not ended then count = nil end
  end
  if count then return count end
  if not state.code then state.message, state.code = message, code end
  if not (failed == to and gone[code]) then state.group:cancel() end
end

---Copies in both directions, and waits until both have ended. The end of one direction is passed on as a half-close. A
---failure ends the other direction too, unless that one still has an answer to deliver. Closes neither stream. A
---direction that a pipe does not have is left out.
---@param a arsenal.Stream one stream
---@param b arsenal.Stream the other one
---@return integer? sent bytes from `a` to `b`
---@return integer|string|nil received bytes from `b` to `a`; or the message
---@return string? code those of `send` and `recv`
---@async
function proxy.proxy(a, b)
  arguments.class(a, "stream", 1, "proxy")
  arguments.class(b, "stream", 2, "proxy")
  if not core.can_wait() then return core.outside(proxy.proxy, a, b) end
  local state, sent, received = {}, nil, nil
  group.group(function(opened)
    state.group = opened
    opened:go(function() received = forward(state, b, a) end)
    sent = forward(state, a, b)
  end)
  if state.code then return nil, state.message, state.code end
  return sent, received
end

return proxy
