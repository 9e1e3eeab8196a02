-- What the dialect "ngx" of arsenal.compat puts in the place of modules: for each name a function that returns it.

local modules = {}

local function required(name)
  return function() return require(name) end
end

for name, module in pairs {
  ["bit"] = "arsenal.ngx.bit",
  ["ffi"] = "arsenal.ngx.ffi",
  ["ngx.semaphore"] = "arsenal.ngx.semaphore",
  ["ngx.ssl"] = "arsenal.ngx.ssl",
  ["ngx.re"] = "arsenal.ngx.re",
} do
  modules[name] = required(module)
end

for name, module in pairs(require("arsenal.ngx.tables")) do
  modules[name] = function() return module end
end

for _, name in ipairs { "md5", "random", "sha1", "sha224", "sha256", "sha384", "sha512", "string" } do
  modules["resty." .. name] = function() return require("arsenal.ngx.digest").modules["resty." .. name] end
end

-- The parts of resty.core make OpenResty's functions faster, and have nothing to do here.
modules["resty.core"] = function() return { version = "0.1.25" } end

return modules
