-- The names that messages and tracebacks have for arsenal's functions. Where a call does not tell the name of a
-- function, Lua takes the first module in package.loaded that has the function. So the public modules are there, and of
-- the internal ones only stand-ins, in which Lua finds no functions. C adds the methods of each class
-- ("arsenal.stream").

local public_names = {}

-- Gives a public module its name. A call of its functions with a colon passes the module as the first argument, and
-- the message of that mistake has this name.
function public_names.define(name, module, index)
  package.loaded[name] = module
  return setmetatable(module, {
    __name = ("the module %s, so call it with a dot"):format(name),
    __tostring = function() return "module " .. name end,
    __index = index,
  })
end

-- The internal modules, by their stand-ins.
local modules = {}

-- Puts stand-ins in the place of the internal modules that are loaded.
function public_names.hide_internal()
  for name, module in pairs(package.loaded) do
    local is_internal = name == "arsenal.core" or tostring(name):find("^arsenal%.%w+%.")
    if is_internal and type(module) == "table" and not modules[module] then
      local stand_in = setmetatable({}, { __index = module, __newindex = module })
      modules[stand_in] = module
      package.loaded[name] = stand_in
    end
  end
end

-- Loads a module for later, and hides the internal ones that it has loaded.
function public_names.require(name)
  local module = require(name)
  public_names.hide_internal()
  return modules[module] or module
end

return public_names
