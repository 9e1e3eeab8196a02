-- What arsenal makes public: its modules, and its classes, each with a maker of a live object. A new
-- class is added to `public.classes`, a new module to `public.modules`.

local arsenal = require("arsenal")
local core = require("arsenal.core")
local kit = require("spec.kit")

local public = {}

-- Classes ---------------------------------------------------------------------------------------

local function new_table() return {} end

local function stream(own)
  local ours, theirs = kit.tcp_pair()
  own(theirs)
  return ours
end

local function temporary_file()
  local file, path = assert(arsenal.fs.temporary())
  os.remove(path)
  return file
end

-- A list, and by name. Each class has its name in the headings of the reference ("stream:recv"), its class in the
-- annotations, and a function `make(own)` that makes an object, where `own(object)` closes later what else it needs;
-- or a function `with(fn)` that calls fn with an object.
public.classes = {
  { name = "task", class = "arsenal.Task", make = function() return arsenal.go(function() end) end },
  { name = "group", class = "arsenal.Group", with = arsenal.group },
  { name = "channel", class = "arsenal.Channel", make = function() return arsenal.channel() end },
  { name = "channel", class = "arsenal.Channel", make = function() return arsenal.channel(0, { shared = true }) end },
  { name = "future", class = "arsenal.Future", make = function() return arsenal.future() end },
  { name = "ticker", class = "arsenal.Ticker", make = function() return arsenal.every(60) end },
  { name = "timer", class = "arsenal.Timer", make = function() return arsenal.after(60) end },
  { name = "event", class = "arsenal.Event", make = function() return arsenal.event() end },
  { name = "mutex", class = "arsenal.Mutex", make = function() return arsenal.mutex() end },
  { name = "guard", class = "arsenal.Guard", make = function(own) return own(arsenal.mutex()):lock() end },
  { name = "semaphore", class = "arsenal.Semaphore", make = function() return arsenal.semaphore(1) end },
  { name = "permit", class = "arsenal.Permit", make = function(own) return own(arsenal.semaphore(1)):acquire() end },
  { name = "stream", class = "arsenal.Stream", make = stream },
  { name = "listener", class = "arsenal.Listener", make = function() return kit.listen() end },
  { name = "socket", class = "arsenal.DatagramSocket",
    make = function() return assert(arsenal.udp.bind("127.0.0.1", 0)) end },
  { name = "unix_socket", class = "arsenal.UnixDatagramSocket",
    make = function() return assert(arsenal.unix.datagram()) end },
  { name = "signal", class = "arsenal.Signal", make = function() return assert(arsenal.signal("SIGUSR2")) end },
  { name = "file", class = "arsenal.File", make = temporary_file },
  { name = "watch", class = "arsenal.FileWatch", make = function() return assert(arsenal.fs.watch("/")) end },
  { name = "process", class = "arsenal.Process", make = function() return assert(arsenal.process.start { "cat" }) end },
  { name = "pool", class = "arsenal.Pool", make = function() return arsenal.pool { connect = new_table } end },
}
for _, class in ipairs(public.classes) do public.classes[class.name] = class end

-- Metatables of C with methods that only arsenal's own Lua calls, by their __name.
local internal = {
  ["arsenal.idle_streams"] = true,
  ["arsenal.openssl.session"] = true,
  ["bare socket"] = true,
  worker = true,
}

local function close(object)
  local closing = getmetatable(object)
  if closing and closing.__close then closing.__close(object) end
end

-- Calls fn(own, ...), where own(object) closes the object afterwards and returns it.
function public.owning(fn, ...)
  local owned = {}
  local function own(object)
    owned[#owned + 1] = object
    return object
  end
  local _ <close> = kit.on_close(function()
    for i = #owned, 1, -1 do close(owned[i]) end
  end)
  return fn(own, ...)
end

-- Calls fn with a live object of the class, which is closed afterwards. Inside a task.
function public.with(class, fn)
  if class.with then return class.with(fn) end
  return public.owning(function(own) return fn(own(class.make(own))) end)
end

local function is_public(name)
  return type(name) == "string" and not name:find("^_")
end

-- The public functions of a table, by name.
local function functions_of(table)
  local functions = {}
  for name, value in pairs(table) do
    if is_public(name) and type(value) == "function" then functions[name] = value end
  end
  return functions
end

-- A process has fields, too: its __index is a function, whose upvalue has the methods.
local function methods_of(object)
  local index = getmetatable(object).__index
  if type(index) == "function" then index = core.process_methods end
  assert(type(index) == "table", "a table of methods expected as __index")
  return functions_of(index)
end

-- The methods of a class, by name. Inside a task.
function public.methods(class)
  return public.with(class, methods_of)
end

-- The names of metatables in the registry that have methods of which `public.classes` knows nothing. Inside a task.
function public.unknown_classes()
  local known, unknown = {}, {}
  for _, class in ipairs(public.classes) do
    public.with(class, function(object) known[getmetatable(object).__index] = true end)
  end
  for key, metatable in pairs(debug.getregistry()) do
    local name = type(metatable) == "table" and rawget(metatable, "__name")
    local is_ours = name and (type(key) == "userdata" or tostring(key):find("^arsenal"))
    if is_ours and metatable.__index and not known[metatable.__index] and not internal[name] then
      unknown[#unknown + 1] = name
    end
  end
  return unknown
end

-- Modules ---------------------------------------------------------------------------------------

-- The tables of functions; arsenal.coroutine is Lua's with a few of arsenal's own.
public.modules = {
  ["arsenal"] = arsenal,
  ["arsenal.tcp"] = arsenal.tcp,
  ["arsenal.udp"] = arsenal.udp,
  ["arsenal.unix"] = arsenal.unix,
  ["arsenal.tls"] = arsenal.tls,
  ["arsenal.dns"] = arsenal.dns,
  ["arsenal.systemd"] = arsenal.systemd,
  ["arsenal.fs"] = arsenal.fs,
  ["arsenal.process"] = arsenal.process,
  ["arsenal.compat"] = arsenal.compat,
}

-- The functions of all modules, as "arsenal.tcp.connect".
function public.functions()
  assert(arsenal.pool, "arsenal has it once it was asked for")
  local all = {}
  for module, table in pairs(public.modules) do
    for name, fn in pairs(functions_of(table)) do all[module .. "." .. name] = fn end
  end
  return all
end

-- The names of tables in `arsenal` that are none of these modules.
function public.unknown_modules()
  local unknown = {}
  for name, value in pairs(arsenal) do
    local known = name == "coroutine" or public.modules["arsenal." .. name]
    if type(value) == "table" and not known then unknown[#unknown + 1] = "arsenal." .. name end
  end
  return unknown
end

return public
