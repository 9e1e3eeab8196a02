-- An HTTP/1.1 server by hand: connections that are kept for more requests, pipelining, limits against clients that are
-- slow or send too much, and a graceful end at SIGTERM. Real servers need more of RFC 9112, chunked bodies for one.
--
--   lua5.4 examples/httpd.lua [host [port]]
--   curl http://127.0.0.1:8080/
--   curl http://127.0.0.1:8080/shout --data hello

local arsenal = require("arsenal")

local MOST_CONNECTIONS <const> = 1000
local LONGEST_HEAD <const>, LONGEST_BODY <const> = 16384, 65536 -- bytes
local TIME_FOR_REQUEST <const> = 10 -- seconds, from the connection or its first byte to its last
local TIME_FOR_ANSWER <const> = 10
local TIME_BETWEEN <const> = 60 -- seconds that a connection is kept without a request
local TIME_TO_END <const> = 10 -- seconds for what is under way at SIGTERM

-- What is served: functions that return the text of the answer.
local routes <const> = {
  ["GET /"] = function() return "hello\n" end,
  ["POST /shout"] = function(request) return request.body:upper() .. "!\n" end,
}

-- Requests --------------------------------------------------------------------------------------

-- The header fields by their names in lower case; nil if a line is not as it should be.
local function parse_fields(text)
  local fields = {}
  for line in text:gmatch("(.-)\r\n") do
    local name, value = line:match("^([%w!#$%%&'*+.^_`|~-]+):[ \t]*(.-)[ \t]*$")
    if not name or value:find("[\0\r\n]") then return nil end
    name = name:lower()
    fields[name] = fields[name] and fields[name] .. ", " .. value or value
  end
  return fields
end

local function parse_head(head)
  local method, target, minor, rest = head:match("^[\r\n]*(%u+) (/%g*) HTTP/1%.(%d)\r\n(.*)$")
  local fields = rest and parse_fields(rest)
  if not fields or minor ~= "0" and not fields.host then return nil end
  return { method = method, path = target:match("^[^?]*"), fields = fields, minor = minor }
end

-- Receives the body. Returns nil and a status if there can be none.
local function receive_body(stream, request)
  if request.fields["transfer-encoding"] then return nil, "411 Length Required" end
  local length = request.fields["content-length"] or "0"
  if not length:find("^%d+$") then return nil, "400 Bad Request" end
  if #length > 9 or tonumber(length) > LONGEST_BODY then return nil, "413 Content Too Large" end
  if request.fields.expect and request.minor ~= "0" then
    arsenal.check(stream:send("HTTP/1.1 100 Continue\r\n\r\n"))
  end
  return arsenal.check(stream:recv_exactly(tonumber(length)))
end

-- Receives a request. Returns nil and a status for one that is refused.
local function receive_request(stream)
  local head, message, code = stream:recv_until("\r\n\r\n", { max = LONGEST_HEAD })
  if code == "TOOLONG" then return nil, "431 Request Header Fields Too Large" end
  local request = parse_head(arsenal.check(head, message, code) .. "\r\n")
  if not request then return nil, "400 Bad Request" end
  request.body, message = receive_body(stream, request)
  return request.body and request, message
end

-- Answers ---------------------------------------------------------------------------------------

local function answer(stream, request, status, text, is_last)
  arsenal.check(stream:send(
    "HTTP/1.1 ", status, "\r\n",
    "Date: ", os.date("!%a, %d %b %Y %H:%M:%S GMT"), "\r\n",
    "Content-Type: text/plain\r\n",
    "Content-Length: ", #text, "\r\n",
    is_last and "Connection: close\r\n\r\n" or "\r\n",
    request and request.method == "HEAD" and "" or text))
end

-- Returns the status and the text.
local function respond(request)
  local method = request.method == "HEAD" and "GET" or request.method
  local route = routes[method .. " " .. request.path]
  if not route then return "404 Not Found", "there is no such page\n" end
  return "200 OK", route(request)
end

local function wants_close(request)
  return request.minor == "0" or (request.fields.connection or ""):lower():find("close", 1, true)
end

-- Connections -----------------------------------------------------------------------------------

-- Ends a connection on which more may arrive. A close would answer that with a reset, and the reset could overtake the
-- answer; so the rest is received first, for a moment.
local function hang_up(stream)
  stream:shutdown()
  arsenal.timeout(1, function()
    for _ in stream:chunks() do end
  end)
end

-- Serves one request. Returns whether there may be more on this connection.
local function serve_request(stream, closing)
  local request, status, code = arsenal.timeout(TIME_FOR_REQUEST, receive_request, stream)
  if code == "TIMEOUT" then status = "408 Request Timeout" end
  if not request then
    answer(stream, nil, status, status .. "\n", true)
    return hang_up(stream)
  end
  local text
  status, text = respond(request)
  local is_last = wants_close(request) or closing:is_set()
  answer(stream, request, status, text, is_last)
  return not is_last
end

-- Waits for another request on a connection that has had one. Returns whether it has come: not if the server ends
-- before, or nothing comes for long.
local function has_more(stream, closing)
  local request = arsenal.readable(stream)
  return arsenal.select({ request, closing }, TIME_BETWEEN) == request or arsenal.select({ request }, 0) == request
end

local function attend(stream, listener)
  local closing = listener:closing()
  stream:set_timeout { send = TIME_FOR_ANSWER }
  repeat until not (serve_request(stream, closing) and has_more(stream, closing))
end

local function stop_at_signal(signal, listener)
  signal:wait()
  signal:close() -- so that the next one ends the program at once
  listener:shutdown(TIME_TO_END)
end

local function main(host, port)
  local signal <close> = arsenal.signal("SIGTERM", "SIGINT")
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port, { reuseport = true })) -- see docs/deployment.md
  print("HTTP server: " .. tostring(listener))
  arsenal.background(stop_at_signal, signal, listener)
  listener:serve(attend, { max_connections = MOST_CONNECTIONS })
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 8080))
