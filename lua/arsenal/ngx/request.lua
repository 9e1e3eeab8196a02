-- The request that a task answers, which the server of lua-resty-websocket needs. `serve` reads a request's
-- head from a stream, and calls a handler for which ngx.req, ngx.header, ngx.status and the others are of this request.

local core = require("arsenal.core")
local tcp = require("arsenal.ngx.tcp")
local thread = require("arsenal.ngx.thread")

local request = {}

local LONGEST_LINE <const> = 8192
local MOST_HEADERS <const> = 100

-- Requests by their tasks. A light thread has the request of the task that started it.
local requests = setmetatable({}, { __mode = "k" })

function thread.on_spawn(task)
  requests[task] = requests[core.current()]
end

local function current()
  local task = core.current()
  local found = task and requests[task]
  if not found then error("no request found: arsenal.ngx.request.serve gives a task one", 3) end
  return found
end

-- Reading a request's head ----------------------------------------------------------------------

-- Headers are found in any case, and with underscores for hyphens.
local Headers = {}

function Headers.__index(headers, name)
  if type(name) ~= "string" then return nil end
  return rawget(headers, (name:lower():gsub("_", "-")))
end

local function add_header(headers, name, value)
  name = name:lower()
  local before = rawget(headers, name)
  if before == nil then
    headers[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    headers[name] = { before, value }
  end
end

local function read_line(stream)
  return stream:recv_line { max = LONGEST_LINE }
end

local function read_headers(stream)
  local headers = setmetatable({}, Headers)
  for _ = 1, MOST_HEADERS do
    local line, message, code = read_line(stream)
    if not line then return nil, message, code end
    if line == "" then return headers end
    local name, value = line:match("^([^%s:]+):%s*(.-)%s*$")
    if not name then return nil, "a header line without a name", "EINVAL" end
    add_header(headers, name, value)
  end
  return nil, "too many headers", "TOOLONG"
end

local function read_head(stream)
  local line, message, code = read_line(stream)
  if not line then return nil, message, code end
  local method, uri, version = line:match("^(%u+) (%S+) HTTP/(%d%.%d)$")
  if not method then return nil, "no HTTP request", "EINVAL" end
  local headers
  headers, message, code = read_headers(stream)
  if not headers then return nil, message, code end
  return { method = method, uri = uri, version = tonumber(version), headers = headers }
end

-- Answering -------------------------------------------------------------------------------------

local reasons <const> = {
  [101] = "Switching Protocols", [200] = "OK", [400] = "Bad Request", [403] = "Forbidden", [404] = "Not Found",
  [500] = "Internal Server Error",
}

local function head_of(self)
  local lines = { ("HTTP/1.1 %d %s\r\n"):format(self.status, reasons[self.status] or "") }
  for name, value in pairs(self.answer) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      lines[#lines + 1] = ("%s: %s\r\n"):format(name, one)
    end
  end
  if self.status ~= 101 then lines[#lines + 1] = "Connection: close\r\n" end
  lines[#lines + 1] = self.status == 101 and "Connection: upgrade\r\n\r\n" or "\r\n"
  return table.concat(lines)
end

local function send(self, data)
  local sent, message = self.stream:send(data)
  if sent then return 1 end
  return nil, message
end

---Sends the answer's status and headers, once.
---@return 1? done
---@return string? word
---@async
function request.send_headers()
  local self = current()
  if self.are_headers_sent then return 1 end
  self.are_headers_sent = true
  return send(self, head_of(self))
end

---Sends a part of the answer's body, after the headers.
---@param ... any
---@return 1? done
---@return string? word
---@async
function request.print(...)
  local done, word = request.send_headers()
  if not done then return nil, word end
  local texts = table.pack(...)
  for i = 1, texts.n do texts[i] = tostring(texts[i]) end
  return send(current(), table.concat(texts))
end

---The same, and a newline.
---@param ... any
---@return 1? done
---@return string? word
---@async
function request.say(...)
  local texts = table.pack(...)
  texts[texts.n + 1] = "\n"
  return request.print(table.unpack(texts, 1, texts.n + 1))
end

function request.flush() return 1 end

-- ngx.req ---------------------------------------------------------------------------------------

local req = {}
request.req = req

function req.http_version() return current().version end
function req.get_method() return current().method end
function req.get_headers() return current().headers end

-- Requests with a body are none of those that are served here.
function req.read_body() current() end

---Returns the connection as a cosocket.
function req.socket()
  local self = current()
  self.socket = self.socket or tcp.from_stream(self.stream)
  return self.socket
end

-- ngx.header, and the fields of ngx that depend on the request -----------------------------------

request.header = setmetatable({}, {
  __index = function(_, name) return current().answer[name] end,
  __newindex = function(_, name, value) current().answer[name] = value end,
})

local fields = {
  headers_sent = function() return current().are_headers_sent end,
  status = function() return current().status end,
  ctx = function() return current().context end,
}

-- The __index and __newindex of ngx.
function request.index(_, name)
  local field = fields[name]
  return field and field()
end

function request.new_index(ngx, name, value)
  if not fields[name] then return rawset(ngx, name, value) end
  if name == "status" then current().status = math.tointeger(value) end
  if name == "ctx" then current().context = value end
end

-- Serving ---------------------------------------------------------------------------------------

local function finish(self)
  if self.socket then tcp.finish(self.socket) end
end

---Reads the head of an HTTP request from a stream, and calls `handler()`, in which ngx.req and the like are of this
---request.
---@param stream arsenal.Stream
---@param handler async fun()
---@return any ... the results of the handler; or nil, message, code if no request has come
---@async
function request.serve(stream, handler)
  local self, message, code = read_head(stream)
  if not self then return nil, message, code end
  self.stream, self.status, self.answer, self.context, self.are_headers_sent = stream, 200, {}, {}, false
  requests[core.current()] = self
  local _ <close> = setmetatable({}, {
    __close = function()
      requests[core.current()] = nil
      finish(self)
    end,
  })
  return handler()
end

return request
