-- arsenal.compat: loads modules that were written for another library's sockets on top of arsenal's modules with the
-- same functions, which are called faces here.
--
-- A dialect is an entry of `dialects` below: `modules` has, for each name that a program requires, the name of the
-- face, which is required when it is first asked for; `globals` has the faces that are global variables; `prefixes`
-- lists how the names of modules begin that are written for the dialect, so that `require` finds it by itself. A face
-- may also be a function that returns it. `language`, if there is one, is a module with what the dialect's version of
-- Lua has among its global variables, and `loadfile` loads files that Lua 5.4 may not take as they are.

local arguments = require("arsenal.internal.arguments")

---@class arsenal.compat
local compat = {}

local dialects = {
  socket = {
    modules = {
      ["socket"] = "arsenal.socket",
      ["socket.core"] = "arsenal.socket",
      ["socket.unix"] = "arsenal.socket.unix",
      ["ssl"] = "arsenal.ssl",
    },
    globals = {},
    prefixes = {},
  },
  ngx = require("arsenal.ngx.dialect"),
}

-- Scopes ------------------------------------------------------------------------------------------

-- Each dialect has one scope: a table of loaded modules and an environment of its own, made when they are first needed.
local scopes = {}

local function load_face(face)
  if type(face) == "function" then return face() end
  return require(face)
end

-- Returns the face that has the place of a module in a dialect, or nil.
local function face_of(dialect, name)
  local face = dialects[dialect].modules[name]
  return face and load_face(face)
end

-- Returns the loader of a module, as Lua's own searchers find it, and the loader's second argument.
local function find_loader(name)
  local reasons = {}
  for _, searcher in ipairs(package.searchers) do
    local ok, loader, data = pcall(searcher, name)
    if not ok then error(loader, 0) end -- a file that cannot be compiled
    if type(loader) == "function" then return loader, data end
    if type(loader) == "string" then reasons[#reasons + 1] = loader end
  end
  error(("module '%s' not found:\n\t%s"):format(name, table.concat(reasons, "\n\t")), 0)
end

-- Gives the freshly loaded chunk of a file its environment. Returns false for other functions, which have no
-- environment of their own: those of C modules, and of package.preload.
local function set_environment(chunk, environment)
  if debug.getinfo(chunk, "S").what ~= "main" then return false end
  if debug.getupvalue(chunk, 1) == "_ENV" then debug.setupvalue(chunk, 1, environment) end
  return true
end

local libraries = {
  _G = true, coroutine = true, debug = true, io = true, math = true, os = true, package = true, string = true,
  table = true, utf8 = true,
}

-- Modules that are the same for everybody: arsenal's own and Lua's.
local function is_shared(name)
  return name == "arsenal" or name:find("^arsenal%.") ~= nil or libraries[name] ~= nil
end

-- Returns the loader of a module whose file may need the dialect's own loadfile, and its path; nil if there is none.
local function find_translated(scope, name)
  local load_file = dialects[scope.dialect].loadfile
  local path = load_file and not package.preload[name] and package.searchpath(name, package.path)
  if path then return assert(load_file(path, scope.environment)), path end
end

-- Loads a module in the scope. What has no Lua file is loaded for everybody.
local function load_module(scope, name)
  local loader, data = find_translated(scope, name)
  if not loader then loader, data = find_loader(name) end
  if not set_environment(loader, scope.environment) then return require(name), data end
  local result = loader(name, data)
  if result == nil then result = scope.loaded[name] end
  if result == nil then result = true end
  return result, data
end

local function scoped_require(scope, name)
  arguments.type(name, "string", 1, "require")
  if scope.loaded[name] ~= nil then return scope.loaded[name] end
  if is_shared(name) then return require(name) end
  local face = face_of(scope.dialect, name)
  if face then
    scope.loaded[name] = face
    return face
  end
  local module, data = load_module(scope, name)
  if scope.loaded[name] == nil then scope.loaded[name] = module end
  return scope.loaded[name], data
end

-- Lua's functions that load code, with the scope's environment as the default.
local function loading_functions(environment)
  local functions = {}
  function functions.load(chunk, name, mode, ...)
    if select("#", ...) > 0 then return load(chunk, name, mode, (...)) end
    return load(chunk, name, mode, environment)
  end
  function functions.loadfile(file, mode, ...)
    if select("#", ...) > 0 then return loadfile(file, mode, (...)) end
    return loadfile(file, mode, environment)
  end
  function functions.dofile(file)
    return assert(loadfile(file, nil, environment))()
  end
  return functions
end

-- Returns the global variables of the dialect's version of Lua.
local function language_of(dialect)
  local language = dialects[dialect].language
  return language and require(language) or {}
end

-- Returns what modules have as `coroutine`: LuaSocket's and OpenResty's functions may wait in any coroutine.
local function waiting_coroutines()
  return require("arsenal").coroutine
end

-- Global variables that the modules set stay in the scope, and those of the program can be seen from it.
local function new_environment(scope)
  local environment = setmetatable({}, { __index = _G })
  environment._G = environment
  environment.require = function(name) return scoped_require(scope, name) end
  environment.package = setmetatable({ loaded = scope.loaded }, { __index = package, __newindex = package })
  for name, fn in pairs(loading_functions(environment)) do environment[name] = fn end
  for name, value in pairs(language_of(scope.dialect)) do environment[name] = value end
  if environment.loadstring then environment.loadstring = environment.load end
  environment.coroutine = waiting_coroutines()
  for name, face in pairs(dialects[scope.dialect].globals) do environment[name] = require(face) end
  return environment
end

local function scope_of(dialect)
  if not scopes[dialect] then
    local scope = { dialect = dialect, loaded = { coroutine = waiting_coroutines() } }
    scope.environment = new_environment(scope)
    scopes[dialect] = scope
  end
  return scopes[dialect]
end

-- The functions -----------------------------------------------------------------------------------

-- Returns the dialect that a module is written for, as far as its name tells.
local function dialect_of(name)
  for dialect, entry in pairs(dialects) do
    for _, prefix in ipairs(entry.prefixes) do
      if name:sub(1, #prefix) == prefix then return dialect end
    end
  end
  return "socket"
end

-- Returns what is wrong with the name of a dialect, or nil.
local function wrong_dialect(dialect)
  if dialect == nil or dialects[dialect] then return nil end
  local known = {}
  for name in pairs(dialects) do known[#known + 1] = name end
  table.sort(known)
  return ('"%s" expected, got %s'):format(table.concat(known, '" or "'), tostring(dialect))
end

---Loads a module that was written for LuaSocket, LuaSec or OpenResty. The module, and each Lua module that it requires,
---has arsenal's modules in place of those. The rest of the program is not affected: `require` of the same name gives
---another copy. A second call returns the same module.
---@param name string as for Lua's `require`
---@param dialect? "socket"|"ngx" what it was written for; default: "ngx" for "resty." and "nginx.", else "socket"
---@return any module what its file has returned
function compat.require(name, dialect)
  arguments.type(name, "string", 1, "require")
  local wrong = wrong_dialect(dialect)
  if wrong then arguments.refuse(2, "require", wrong) end
  return (scoped_require(scope_of(dialect or dialect_of(name)), name))
end

-- Makes the next `require` of a name return its face, for everybody.
local function replace_module(name, face)
  package.loaded[name] = nil
  package.preload[name] = function() return load_face(face) end
end

-- Forgets the Lua modules that belong to a replaced one, so that they are loaded on top of the face. Those of C stay:
-- opened again, LuaSec's would lose what its Lua part has added.
local function forget_dependents(modules)
  for name in pairs(package.loaded) do
    local root = type(name) == "string" and name:match("^(.-)%.")
    local is_dependent = root and modules[root] and not modules[name]
    if is_dependent and package.searchpath(name, package.path) then package.loaded[name] = nil end
  end
end

---Puts arsenal's modules in the place of `socket`, `ssl` and `ngx` for the whole program, and `arsenal.coroutine` in
---that of `coroutine`. Modules that are loaded already and hold the others keep them, so a program calls it first.
---@param dialect? "socket"|"ngx" only the modules of this one; default: all
function compat.install(dialect)
  local wrong = wrong_dialect(dialect)
  if wrong then arguments.refuse(1, "install", wrong) end
  _G.coroutine, package.loaded.coroutine = waiting_coroutines(), waiting_coroutines()
  for name, entry in pairs(dialects) do
    if dialect == nil or dialect == name then
      for module, face in pairs(entry.modules) do replace_module(module, face) end
      for global, face in pairs(entry.globals) do _G[global] = require(face) end
      for global, value in pairs(language_of(name)) do _G[global] = _G[global] or value end
      forget_dependents(entry.modules)
    end
  end
end

return compat
