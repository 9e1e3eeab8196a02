-- Groups, limits, shields and generators inside each other to the end of Lua's C stack.

local arsenal = require("arsenal")

local wrappers = {
  function(fn) return arsenal.group(function(group) group:go(arsenal.yield) return fn() end) end,
  function(fn) return arsenal.timeout(60, fn) end,
  function(fn) return arsenal.shield(fn) end,
  function(fn) return arsenal.coroutine.wrap(fn)() end,
  function(fn) return select(2, pcall(fn)) end,
}

local PCALL <const> = #wrappers

-- A wait begins Lua's C stack anew, and a task that has not waited for long is made to; so there is no end by itself.
local DEEPEST <const> = 400

local function nest(choose, depth)
  if depth == DEEPEST then error("deep enough") end
  return wrappers[choose(depth)](function() return nest(choose, depth + 1) end)
end

local function main()
  for kind = 1, PCALL - 1 do
    for plain = 40, 200, 16 do
      arsenal.yield()
      pcall(nest, function(depth) return depth < plain and PCALL or kind end, 1)
    end
  end
  for shift = 1, PCALL do
    arsenal.yield()
    pcall(nest, function(depth) return (depth + shift) % PCALL + 1 end, 1)
  end
end

return { main = main }
