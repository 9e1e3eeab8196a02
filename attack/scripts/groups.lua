-- Groups: nested, cancelled, with errors of the body and of tasks, with limits and shields inside and around. Tasks in
-- the background, and map.

local arsenal = require("arsenal")

local function nested(depth)
  return arsenal.group(function(group)
    group:go(arsenal.yield)
    group:go(arsenal.timeout, 60, arsenal.sleep, 0.0001)
    if depth > 0 then return nested(depth - 1) end
    return "innermost"
  end)
end

local function failing()
  local ok, err = pcall(arsenal.group, function(group)
    group:go(arsenal.sleep, 60)
    group:go(function() arsenal.yield() error("failure") end)
    group:go(function()
      local _ <close> = setmetatable({}, { __close = function() error("in clean-up") end })
      arsenal.sleep(60)
    end)
    arsenal.sleep(60)
  end)
  assert(not ok and tostring(err):find("failure"))
end

local function in_background()
  assert(arsenal.group(function(group)
    group:background(arsenal.sleep, 60)
    group:background(function()
      for _ in arsenal.every(0.0001) do arsenal.yield() end
    end)
    group:go(arsenal.sleep, 0.0003)
    return "result"
  end) == "result")
  arsenal.background(function()
    arsenal.group(function(group) group:go(arsenal.sleep, 60) end)
  end)
  local results = arsenal.map({ 1, 2, 3 }, function(item)
    arsenal.yield()
    return item
  end, { limit = 2 })
  assert(#results == 3)
end

local function main()
  in_background()
  assert(nested(4) == "innermost")
  failing()
  assert(select(3, arsenal.group(function(group)
    group:go(arsenal.sleep, 60)
    group:cancel()
    arsenal.sleep(60)
  end)) == "CANCELLED")
  assert(select(3, arsenal.timeout(0.001, arsenal.group, function(group)
    group:go(arsenal.shield, arsenal.sleep, 0.002)
    group:go(nested, 2)
    arsenal.sleep(60)
  end)) == "TIMEOUT")
end

return { main = main }
