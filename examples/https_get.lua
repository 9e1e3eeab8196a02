-- An HTTPS client: verifies the server's certificate, fetches a page and prints it.
--
--   lua5.4 examples/https_get.lua https://host[:port]/path [authorities.pem]

local arsenal = require("arsenal")

local PATIENCE <const> = 10 -- seconds, to connect and for each piece

local function split(url)
  local host, port, path = url:match("^https://([^/:]+):?(%d*)(.*)$")
  if not host then error("not an HTTPS address: " .. url, 0) end
  return host, tonumber(port) or 443, path ~= "" and path or "/"
end

local function headers_of(stream)
  local headers = {}
  for line in stream:lines() do
    if line == "" then return headers end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    if name then headers[name:lower()] = value end
  end
  error("the answer ended in its headers", 0)
end

-- Prints the body, which has a length, or comes in chunks, or goes up to the end of the stream. A connection
-- that was cut is an error, so the end of the stream is certain.
local function print_body(stream, headers)
  if headers["transfer-encoding"] == "chunked" then
    repeat
      local size = tonumber(arsenal.check(stream:recv_line()):match("^%x+"), 16)
      io.write(arsenal.check(stream:recv_exactly(size)))
      arsenal.check(stream:recv_line())
    until size == 0
  elseif headers["content-length"] then
    io.write(arsenal.check(stream:recv_exactly(tonumber(headers["content-length"]))))
  else
    for chunk in stream:chunks() do io.write(chunk) end
  end
end

local function main(url, authorities)
  local host, port, path = split(url)
  local stream <close> = arsenal.check(arsenal.tls.connect(host, port, {
    ca_file = authorities, alpn = { "http/1.1" }, timeout = PATIENCE,
  }))
  stream:set_timeout(PATIENCE)
  local info = stream:tls_info()
  io.stderr:write(("TLS %s, %s, %s\n"):format(info.version, info.cipher, info.certificate.subject))
  arsenal.check(stream:send("GET ", path, " HTTP/1.1\r\nhost: ", host, "\r\nconnection: close\r\n\r\n"))
  io.stderr:write(arsenal.check(stream:recv_line()), "\n")
  print_body(stream, headers_of(stream))
end

arsenal.main(main, arg[1] or "https://example.org/", arg[2])
