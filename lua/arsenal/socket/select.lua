-- socket.select, on arsenal's: waits until a receive or a send on one of several objects would not wait.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local holding = require("arsenal.socket.holding")

-- Returns the arsenal object that has an object's descriptor, or nil if it is closed. A wrapper, such as LuaSocket's
-- sinks and sources are, tells its descriptor, which one of the others in the lists must have.
local function holder_of(object)
  return type(object) == "table" and (holding.holder(object) or object.socket) or nil
end

local function is_dirty(object)
  return type(object.dirty) == "function" and object:dirty()
end

-- Adds what is ready to `found`, which is a list and has the places by object.
local function add(found, object)
  if found[object] then return end
  found[#found + 1] = object
  found[object] = #found + 0.0
end

local function add_ready(found, objects, events)
  for _, object in ipairs(objects) do
    local holder = holder_of(object)
    if holder and (events == "read" and is_dirty(object) or core.socket_is_ready(holder, events)) then
      add(found, object)
    end
  end
end

local function look(receivers, senders)
  local readable, writable = {}, {}
  add_ready(readable, receivers, "read")
  add_ready(writable, senders, "write")
  return readable, writable
end

local function add_cases(cases, objects, events)
  for _, object in ipairs(objects) do
    local holder = holder_of(object)
    if holder then cases[#cases + 1] = core.socket_readiness(holder, events) end
  end
end

local function check_list(value, position)
  if value == nil then return {} end
  if type(value) == "table" then return value end
  error(("bad argument #%d to 'select' (table expected, got %s)"):format(position, type(value)), 3)
end

-- Returns two tables, and "timeout" if both are empty.
return function(receivers, senders, timeout)
  receivers, senders = check_list(receivers, 1), check_list(senders, 2)
  timeout = classes.number(timeout, 3, "select", -1)
  local readable, writable = look(receivers, senders)
  if #readable > 0 or #writable > 0 then
    core.yield()
    return readable, writable
  end
  local cases = {}
  add_cases(cases, receivers, "read")
  add_cases(cases, senders, "write")
  local seconds = timeout >= 0 and timeout or nil
  if #cases > 0 then
    core.select(cases, seconds)
    readable, writable = look(receivers, senders)
  else
    core.sleep(seconds or math.huge)
  end
  if #readable > 0 or #writable > 0 then return readable, writable end
  return readable, writable, "timeout"
end
