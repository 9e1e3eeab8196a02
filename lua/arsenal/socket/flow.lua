-- socket.try, newtry, protect, skip, sinks and sources: what LuaSocket's own modules are written with.

local classes = require("arsenal.socket.classes")

local flow = {}

-- An error of `try`, which `protect` turns into a failure again.
local Exception = {}
function Exception:__tostring() return tostring(self[1]) end

-- Returns a `try`: it returns its arguments, or, if the first is false or nil, calls `finalizer` and raises the second.
function flow.newtry(finalizer)
  return function(...)
    if ... then return ... end
    local _, err = ...
    if finalizer then pcall(finalizer) end
    error(setmetatable({ err }, Exception), 0)
  end
end

local function conclude(ok, ...)
  if ok then return ... end
  local err = ...
  if getmetatable(err) == Exception then return nil, err[1] end
  error(err, 0)
end

-- Returns a function that calls fn, and returns nil and the failure that a `try` in it has raised.
function flow.protect(fn)
  return function(...) return conclude(pcall(fn, ...)) end
end

-- Returns the arguments after the first n.
function flow.skip(n, ...)
  local count = classes.number(n, 1, "skip")
  if not math.tointeger(count) then classes.refuse(1, "skip", "number has no integer representation") end
  if count < 0 then return n, ... end
  return select(math.tointeger(count) + 1, ...)
end

-- Sinks and sources, as ltn12 has them ------------------------------------------------------------

local function callable(socket, call)
  return setmetatable({
    getfd = function() return socket:getfd() end,
    dirty = function() return socket:dirty() end,
  }, { __call = call })
end

flow.sinkt, flow.sourcet = {}, {}

flow.sinkt["close-when-done"] = function(socket)
  return callable(socket, function(_, chunk)
    if chunk then return socket:send(chunk) end
    socket:close()
    return 1
  end)
end

flow.sinkt["keep-open"] = function(socket)
  return callable(socket, function(_, chunk)
    if chunk then return socket:send(chunk) end
    return 1
  end)
end

flow.sinkt.default = flow.sinkt["keep-open"]

-- `blocksize()` returns the most bytes of a chunk.
function flow.define_sources(blocksize)
  flow.sourcet["by-length"] = function(socket, length)
    return callable(socket, function()
      if length <= 0 then return nil end
      local chunk, err = socket:receive(math.min(blocksize(), length))
      if err then return nil, err end
      length = length - #chunk
      return chunk
    end)
  end

  flow.sourcet["until-closed"] = function(socket)
    local is_done
    return callable(socket, function()
      if is_done then return nil end
      local chunk, err, partial = socket:receive(blocksize())
      if not err then return chunk end
      if err ~= "closed" then return nil, err end
      socket:close()
      is_done = true
      return partial
    end)
  end

  flow.sourcet.default = flow.sourcet["until-closed"]
end

-- Returns a function that calls the function of a table that its first argument names; without one, the default.
function flow.choose(functions)
  return function(name, first, second)
    if type(name) ~= "string" then name, first, second = "default", name, first end
    local fn = functions[name] or error(("unknown key (%s)"):format(name), 3)
    return fn(first, second)
  end
end

return flow
