-- The dialect "ngx" of arsenal.compat: modules for OpenResty, which are written for LuaJIT.

local source = require("arsenal.ngx.source")

-- By the name that modules require: the name of arsenal's module, or a function that returns what takes its place.
local modules = {
  ["bit"] = "arsenal.ngx.bit",
  ["ffi"] = "arsenal.ngx.ffi",
  ["ngx.semaphore"] = "arsenal.ngx.semaphore",
  ["ngx.ssl"] = "arsenal.ngx.ssl",
  ["ngx.re"] = "arsenal.ngx.re",
}

for name, fn in pairs(require("arsenal.ngx.tables")) do
  modules[name] = function() return fn end
end

for _, kind in ipairs { "md5", "random", "sha1", "sha224", "sha256", "sha384", "sha512", "string" } do
  local name = "resty." .. kind
  modules[name] = function() return require("arsenal.ngx.digest").modules[name] end
end

-- The parts of resty.core make OpenResty's functions faster, and have nothing to do here.
modules["resty.core"] = function() return { version = "0.1.25" } end

return {
  modules = modules,
  globals = { ngx = "arsenal.ngx" },
  language = "arsenal.ngx.lua51",
  loadfile = source.loadfile,
  prefixes = { "resty.", "nginx." },
}
