-- An HTTP/1.1 server for the files below a directory. The kernel sends them (send_file); what a browser has already is
-- not sent again (If-None-Match, If-Modified-Since); and no request gets out of the directory, by ".." or by a link.
--
--   lua5.4 examples/static_httpd.lua directory [host [port]]

local arsenal = require("arsenal")

local fs <const> = arsenal.fs

local TIME_FOR_REQUEST <const> = 30 -- seconds
local MOST_HEADERS <const> = 100

local types <const> = {
  html = "text/html; charset=utf-8", css = "text/css", js = "text/javascript", json = "application/json",
  txt = "text/plain; charset=utf-8", png = "image/png", jpg = "image/jpeg", svg = "image/svg+xml",
  pdf = "application/pdf",
}

local root

-- Requests --------------------------------------------------------------------------------------

-- Returns the request, with its header fields in lower case; nil at the end of the connection, or for what is none.
local function read_request(stream)
  local line = stream:recv_line()
  local method, target, minor = (line or ""):match("^(%u+) (%S+) HTTP/1%.(%d)$")
  if not method then return nil end
  local request = { method = method, target = target, keep = minor ~= "0" }
  for _ = 1, MOST_HEADERS do
    line = stream:recv_line()
    if line == "" then
      local connection = (request.connection or ""):lower()
      if connection == "close" then request.keep = false end
      return request
    end
    local name, value = (line or ""):match("^([^:%s]+):%s*(.-)%s*$")
    if not name then return nil end
    request[name:lower()] = value
  end
end

-- Returns the path that the target asks for, below the root; nil if it is none.
local function decode(target)
  local path = target:match("^/[^?#]*")
  if not path then return nil end
  path = path:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  if path:find("\0", 1, true) then return nil end
  for part in path:gmatch("[^/]+") do
    if part == ".." then return nil end
  end
  return path:sub(-1) == "/" and path .. "index.html" or path
end

-- Opens the file for a path. Returns it with its stat, or nil. A link may lead to any place: so what counts is where
-- the path really leads.
local function find(path)
  local real = fs.realpath(root .. path)
  if not real or real:sub(1, #root + 1) ~= root .. "/" then return nil end
  local file = fs.open(real, "rb")
  if not file then return nil end
  local stat = arsenal.check(file:stat())
  if stat.type == "file" then return file, stat end
  file:close()
end

-- Answers ---------------------------------------------------------------------------------------

local function http_date(time)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(time))
end

local function send_head(stream, request, status, fields)
  local lines = { "HTTP/1.1 ", status, "\r\n", "Date: ", http_date(os.time()), "\r\n" }
  for i = 1, #fields, 2 do
    lines[#lines + 1] = fields[i] .. ": " .. fields[i + 1] .. "\r\n"
  end
  lines[#lines + 1] = request.keep and "\r\n" or "Connection: close\r\n\r\n"
  return arsenal.check(stream:send(lines))
end

local function send_failure(stream, request, status)
  local body = status .. "\n"
  send_head(stream, request, status, { "Content-Type", "text/plain", "Content-Length", #body })
  if request.method ~= "HEAD" then arsenal.check(stream:send(body)) end
end

-- Whether the client has this version of the file.
local function is_known(request, tag, modified)
  local known = request["if-none-match"]
  if known then return known == "*" or known:find(tag, 1, true) ~= nil end
  return request["if-modified-since"] == modified
end

local function send_file(stream, request, path)
  local file <close>, stat = find(path)
  if not file then return send_failure(stream, request, "404 Not Found") end
  local tag = ('"%x-%x-%x"'):format(stat.inode, stat.size, math.floor(stat.modified * 1000))
  local modified = http_date(stat.modified)
  if is_known(request, tag, modified) then
    return send_head(stream, request, "304 Not Modified", { "ETag", tag, "Last-Modified", modified })
  end
  send_head(stream, request, "200 OK", {
    "Content-Type", types[path:match("%.(%w+)$") or ""] or "application/octet-stream",
    "Content-Length", stat.size, "ETag", tag, "Last-Modified", modified,
  })
  if request.method == "HEAD" then return end
  local sent = arsenal.check(stream:send_file(file, 0, stat.size))
  if sent < stat.size then stream:reset() end -- the file has become shorter: the client must see that bytes are missing
end

local function handle(stream)
  repeat
    local request = arsenal.timeout(TIME_FOR_REQUEST, read_request, stream)
    if not request then return end
    local path = decode(request.target)
    if request.method ~= "GET" and request.method ~= "HEAD" then
      request.keep = false -- it may have a body
      send_failure(stream, request, "405 Method Not Allowed")
    elseif not path then
      send_failure(stream, request, "400 Bad Request")
    else
      send_file(stream, request, path)
    end
  until not request.keep
end

local function main(directory, host, port)
  root = arsenal.check(fs.realpath(directory))
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port))
  print("serving " .. root .. " on " .. tostring(listener))
  listener:serve(handle)
end

if not arg[1] then
  io.stderr:write("usage: static_httpd.lua directory [host [port]]\n")
  os.exit(2)
end
arsenal.main(main, arg[1], arg[2] or "127.0.0.1", tonumber(arg[3] or 8080))
