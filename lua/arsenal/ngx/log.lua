-- The log: levels, and lines in the form of nginx's error log.

local core = require("arsenal.core")
local settings = require("arsenal.ngx.settings")

local names <const> = { [0] = "", "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug" }

local levels = {
  STDERR = 0, EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8,
}

-- What `ngx.log` and `print` write for a value. Tables need __tostring.
local function text_of(value, position)
  if type(value) ~= "table" then return tostring(value) end
  local metatable = getmetatable(value)
  if metatable and metatable.__tostring then return tostring(value) end
  error(("bad argument #%d to 'log' (expected table to have __tostring metamethod)"):format(position), 3)
end

local function to_stderr(level, text)
  io.stderr:write(("%s [%s] %d#0: %s\n"):format(os.date("%Y/%m/%d %H:%M:%S"), names[level], core.process_id(), text))
end

---Writes a line of the log: all arguments after the level, as text. Lines of less important levels than
---`settings.log_level` are left out.
---@param level integer one of `ngx.STDERR`, `ngx.EMERG` … `ngx.DEBUG`
---@param ... any
local function log(level, ...)
  if type(level) ~= "number" then
    error(("bad argument #1 to 'log' (number expected, got %s)"):format(type(level)), 2)
  end
  local known = math.tointeger(level // 1) or -1
  if not names[known] then error("bad argument #1 to 'log' (bad log level: " .. tostring(level) .. ")", 2) end
  level = known
  if level > settings.log_level then return end
  local texts = table.pack(...)
  for i = 1, texts.n do texts[i] = text_of(texts[i], i + 1) end
  local write = settings.log or to_stderr
  write(level, table.concat(texts))
end

return { log = log, levels = levels }
