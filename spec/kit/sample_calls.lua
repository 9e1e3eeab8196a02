-- Calls of public functions with sample arguments, made from the types in their annotations, where Lua cannot
-- yield: a call that may wait raises an error there, before it has any effect.

local arsenal = require("arsenal")
local annotated = require("spec.kit.annotated")
local public = require("spec.kit.public")

local sample_calls = {}

local NO_DESCRIPTOR <const> = 0x7fffffff

-- Arguments where the types of the parameters do not tell enough.
local arguments <const> = {
  ["arsenal.check"] = function() return true end,
  ["arsenal.compat.require"] = function() return "string" end,
  ["arsenal.dump"] = function(own) return own(assert(io.open("/dev/null", "w"))) end,
  ["arsenal.dns.resolve"] = function() return "localhost" end,
  ["arsenal.dns.reverse"] = function() return "127.0.0.1" end,
  ["arsenal.fs.open"] = function() return "/nowhere/file" end,
  ["arsenal.fs.chmod"] = function() return "/nowhere/file", "600" end,
  ["arsenal.pool"] = function() return { connect = print } end,
  ["arsenal.process.run"] = function() return { "true" } end,
  ["arsenal.process.start"] = function() return { "true" } end,
  ["arsenal.select"] = function(own) return { own(arsenal.event()) } end,
  ["arsenal.signal"] = function() return "SIGUSR2" end,
  ["arsenal.tcp.from_fd"] = function() return NO_DESCRIPTOR end,
  ["arsenal.tcp.listen"] = function() return "localhost", 0 end,
  ["arsenal.tls.listen"] = function() return "localhost", 0, { cert = "/nowhere" } end,
  ["arsenal.udp.bind"] = function() return "localhost", 0 end,
  ["arsenal.udp.from_fd"] = function() return NO_DESCRIPTOR end,
  ["arsenal.unix.connect"] = function() return "/nowhere/socket" end,
  ["arsenal.unix.from_fd"] = function() return NO_DESCRIPTOR end,
  ["arsenal.unix.listen"] = function() return "/nowhere/socket" end,
  ["listener:start_tls"] = function() return { cert = "/nowhere" } end,
  ["arsenal.blocking"] = function() return function() end end,
  ["arsenal.worker"] = function() return function() end end,
  ["arsenal.workers"] = function() return 1, function() end end,
  ["group:worker"] = function() return function() end end,
  ["file:read"] = function() return 0 end,
  ["file:seek"] = function() return "set", 0 end,
  ["file:setvbuf"] = function() return "full" end,
  ["pool:discard"] = function(_, pool) return pool:acquire() end,
  ["pool:release"] = function(_, pool) return pool:acquire() end,
  ["socket:set_option"] = function() return "broadcast", true end,
  ["stream:set_option"] = function() return "nodelay", true end,
  ["unix_socket:set_option"] = function() return "recv_buffer", 1 end,
  ["stream:send_file"] = function() return "/nowhere/file" end,
  ["stream:start_tls"] = function() return { verify = false } end,
}

local not_called <const> = {
  ["arsenal.compat.install"] = "changes what other specs require",
  ["arsenal.main"] = "refused inside a task",
  ["arsenal.run"] = "refused inside a task",
  ["arsenal.run_once"] = "refused inside a task",
  ["arsenal.stop"] = "ends the spec",
  ["listener:set_tls"] = "needs a listener with certificates",
}

-- A value for a parameter, by the text of its @param; nil where that may be left out.
local function sample(text, own)
  local optional, type_text = text:match("^[%w_]+(%??)%s+(.*)$")
  if optional == "?" or type_text:find("^%S*%?") then return nil end
  if type_text:find("fun(", 1, true) then return function() end end
  if type_text:find("^integer") or type_text:find("^number") then return 1 end
  if type_text:find("^arsenal%.Stream") then return own(public.classes.stream.make(own)) end
  return type_text:find("^string") and "127.0.0.1" or {}
end

local function samples(full, block, own, object)
  if arguments[full] then return arguments[full](own, object) end
  local values, count = {}, 0
  for _, tag in ipairs(block.tags) do
    if tag.name == "param" and not tag.text:find("^%.%.%.") then
      count = count + 1
      values[count] = sample(tag.text, own)
    end
  end
  return table.unpack(values, 1, count)
end

-- Calls fn where Lua cannot yield; returns as pcall does.
local function call_unyieldable(fn, ...)
  local given, results = table.pack(...), nil
  string.gsub("x", "x", function()
    results = table.pack(pcall(fn, table.unpack(given, 1, given.n)))
  end)
  return table.unpack(results, 1, results.n)
end

-- Calls a function; `object` is a method's, nil for a function. Returns as pcall does.
local function call(full, fn, block, object)
  return public.owning(function(own)
    local values = table.pack(samples(full, block, own, object))
    local ok, result
    if object ~= nil then
      ok, result = call_unyieldable(fn, object, table.unpack(values, 1, values.n))
    else
      ok, result = call_unyieldable(fn, table.unpack(values, 1, values.n))
    end
    if type(result) == "userdata" then own(result) end
    return ok, result
  end)
end

-- Calls each annotated method of a class, and found(full, block, ...) with what pcall returns. Inside a task.
function sample_calls.of_class(class, found)
  for name, block in pairs(annotated.methods(class.class)) do
    local full = class.name .. ":" .. name
    if not not_called[full] then
      public.with(class, function(object) found(full, block, call(full, object[name], block, object)) end)
    end
  end
end

-- Likewise each function of the modules. Inside a task.
function sample_calls.of_modules(found)
  for full, fn in pairs(public.functions()) do
    local block = annotated.of(full, fn)
    local is_function = block and block.declaration.parameters
    if is_function and not not_called[full] then found(full, block, call(full, fn, block)) end
  end
end

return sample_calls
