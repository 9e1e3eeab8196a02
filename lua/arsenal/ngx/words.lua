-- OpenResty's words for failures, by arsenal's codes. Drivers compare them with `==`.

local words = {
  TIMEOUT = "timeout",
  CLOSED = "closed",
  EOF = "closed",
  TRUNCATED = "closed",
  ECONNREFUSED = "connection refused",
  ECONNRESET = "connection reset by peer",
  ECONNABORTED = "software caused connection abort",
  ETIMEDOUT = "connection timed out",
  EPIPE = "broken pipe",
  EHOSTUNREACH = "no route to host",
  ENETUNREACH = "network is unreachable",
  EADDRNOTAVAIL = "cannot assign requested address",
  EADDRINUSE = "address already in use",
  EACCES = "permission denied",
  EPERM = "operation not permitted",
  ENOENT = "no such file or directory",
  ENAMETOOLONG = "file name too long",
  EMFILE = "too many open files",
  ENFILE = "too many open files in system",
  ENOMEM = "cannot allocate memory",
  EMSGSIZE = "message too long",
  EINVAL = "invalid argument",
}

-- Codes of failed lookups. OpenResty names the host, and has the numbers of DNS.
local lookups = {
  EAI_NONAME = "3: Host not found",
  EAI_NODATA = "3: Host not found",
  EAI_AGAIN = "110: Operation timed out",
  EAI_FAIL = "2: Server failure",
}

-- The word for a failure of arsenal's `nil, message, code`; the message for a code without a word.
local function word(message, code)
  return words[code] or message
end

-- The same for a failure to connect to a host.
local function connect_word(host, message, code)
  local reason = lookups[code]
  return reason and ("%s could not be resolved (%s)"):format(host, reason) or word(message, code)
end

return { word = word, connect_word = connect_word }
