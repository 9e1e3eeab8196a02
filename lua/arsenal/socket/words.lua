-- What LuaSocket says in place of arsenal's codes.

local core = require("arsenal.core")

local words = {}

local HOST_UNKNOWN <const> = "host or service not provided, or not known"

local by_code = {
  TIMEOUT = "timeout", ETIMEDOUT = "timeout",
  CLOSED = "closed", EOF = "closed", EPIPE = "closed", ECONNRESET = "closed", ECONNABORTED = "closed",
  EADDRINUSE = "address already in use", EISCONN = "already connected", EACCES = "permission denied",
  ECONNREFUSED = "connection refused",
  EAI_AGAIN = "temporary failure in name resolution", EAI_FAIL = "non-recoverable failure in name resolution",
  EAI_BADFLAGS = "invalid value for ai_flags", EAI_FAMILY = "ai_family not supported",
  EAI_MEMORY = "memory allocation failure", EAI_NONAME = HOST_UNKNOWN, EAI_NODATA = HOST_UNKNOWN,
  EAI_ADDRFAMILY = "Address family for hostname not supported",
  EAI_SERVICE = "service not supported for socket type", EAI_SOCKTYPE = "ai_socktype not supported",
}

-- The word for a failure of arsenal's. A code that the system knows has the words of the C library.
function words.of(message, code)
  if not code then return "closed" end
  local word = by_code[code]
  if not word then
    word = core.system_words(code) or message
    by_code[code] = code ~= "BUSY" and word or nil
  end
  return word
end

-- The word for a number of the system's, an errno.
function words.of_number(number)
  local code = core.system_code(number)
  return words.of(code, code)
end

-- The word for a failed lookup: also of a name that arsenal refuses to look up.
function words.of_lookup(message, code)
  return code == "EINVAL" and HOST_UNKNOWN or words.of(message, code)
end

-- What sendto says of a lookup that has failed: the C library's words.
words.HOST_UNKNOWN_TO_SYSTEM = "Name or service not known"

local of_system <const> = {
  [HOST_UNKNOWN] = words.HOST_UNKNOWN_TO_SYSTEM,
  [by_code.EAI_SERVICE] = "Servname not supported for ai_socktype",
}

function words.to_system(word)
  return of_system[word] or word
end

words.BAD_DESCRIPTOR = core.system_words("EBADF")
words.NOT_CONNECTED = core.system_words("ENOTCONN")

return words
