-- Runs scenarios.lua and writes what each has seen, line by line. Written for LuaJIT and for Lua 5.4.

local function show(value)
  if type(value) == "number" then return ("%.14g"):format(value) end
  if type(value) == "string" then
    return '"' .. value:gsub("[^%w%p ]", function(c) return ("\\%03d"):format(c:byte()) end) .. '"'
  end
  if value == nil or type(value) == "boolean" then return tostring(value) end
  return type(value)
end

-- The line of the scenario that calls.
local function line_of_call()
  for level = 3, 8 do
    local info = debug.getinfo(level, "Sl")
    if info and info.what ~= "C" and info.source:find("scenarios.lua", 1, true) then return info.currentline end
  end
end

local function run(scenario, write)
  write("== " .. scenario.name)
  local ok, err = pcall(scenario.run, function(...)
    local texts = {}
    for i = 1, select("#", ...) do texts[i] = show((select(i, ...))) end
    write(scenario.name .. ":" .. tostring(line_of_call()) .. ": " .. table.concat(texts, ", "))
  end)
  if not ok then write("failed: " .. tostring(err)) end
end

return function(scenarios, write)
  for _, scenario in ipairs(scenarios) do run(scenario, write) end
end
