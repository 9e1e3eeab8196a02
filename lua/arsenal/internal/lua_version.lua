-- Refuses Lua 5.4.0 to 5.4.2: there a coroutine cannot yield while its <close> variables are closed, so that a
-- task could not wait in its clean-up.

local function yields_in_close()
  local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() coroutine.yield() end })
  end)
  coroutine.resume(co)
  return coroutine.status(co) == "suspended"
end

if not yields_in_close() then
  error("arsenal needs Lua 5.4.3 or later: in this Lua a task cannot wait while its <close> variables are closed", 0)
end

return true
