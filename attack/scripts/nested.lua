-- Groups, limits, shields and generators inside each other to the end of Lua's C stack.

local arsenal = require("arsenal")

local wrappers = {
  function(fn) return arsenal.group(function(group) group:go(arsenal.yield) return fn() end) end,
  function(fn) return arsenal.timeout(60, fn) end,
  function(fn) return arsenal.shield(fn) end,
  function(fn) return arsenal.coroutine.wrap(fn)() end,
  function(fn) return select(2, pcall(fn)) end,
}

local function nest(choose, depth)
  return wrappers[choose(depth)](function() return nest(choose, depth + 1) end)
end

local function main()
  arsenal.yield()
  for kind = 1, 4 do
    assert(not pcall(nest, function() return kind end, 1))
  end
  for shift = 1, 5 do
    pcall(nest, function(depth) return (depth + shift) % 5 + 1 end, 1)
  end
  pcall(nest, function(depth) return depth < 180 and 5 or 1 end, 1)
end

return { main = main }
