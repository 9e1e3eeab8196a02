-- A DNS client over UDP: asks a name server for the IPv4 addresses of a name, with one datagram for the
-- question and one for the answer (RFC 1035). Other programs should call arsenal.dns.resolve.
--
--   lua5.4 examples/dns_query.lua name [server [port]]

local arsenal = require("arsenal")

local TYPE_A <const>, CLASS_IN <const> = 1, 1
local RECURSION_DESIRED <const>, FAILURE <const> = 0x0100, 0x000F -- of the flags
local PATIENCE <const>, TRIES <const> = 2, 3 -- seconds for an answer; datagrams get lost

local function encode_name(name)
  local labels = {}
  for label in name:gmatch("[^.]+") do
    assert(#label < 64, "a label has at most 63 bytes")
    labels[#labels + 1] = string.pack("s1", label)
  end
  return table.concat(labels) .. "\0"
end

local function question(id, name)
  return string.pack(">I2I2I2I2I2I2", id, RECURSION_DESIRED, 1, 0, 0, 0)
    .. encode_name(name) .. string.pack(">I2I2", TYPE_A, CLASS_IN)
end

-- Returns the position after the name at `at`. A name ends with an empty label, or a pointer to an earlier name.
local function skip_name(message, at)
  while true do
    local length = message:byte(at)
    if length >= 0xC0 then return at + 2 end
    at = at + 1 + length
    if length == 0 then return at end
  end
end

local function addresses_in(message)
  local _, flags, questions, answers, _, _, at = string.unpack(">I2I2I2I2I2I2", message)
  if flags & FAILURE ~= 0 then return nil, "the server answers with code " .. (flags & FAILURE) end
  for _ = 1, questions do at = skip_name(message, at) + 4 end
  local found = {}
  for _ = 1, answers do
    local type, class, _, data
    type, class, _, data, at = string.unpack(">I2I2I4s2", message, skip_name(message, at))
    if type == TYPE_A and class == CLASS_IN then
      found[#found + 1] = ("%d.%d.%d.%d"):format(data:byte(1, 4))
    end
  end
  return found
end

-- Waits for the answer to the question with this id. Late answers to earlier questions are skipped.
local function receive(socket, id)
  while true do
    local message, reason, code = socket:recv()
    if not message then return nil, reason, code end
    if #message >= 12 and string.unpack(">I2", message) == id then return message end
  end
end

local function ask(socket, name)
  local reason
  for _ = 1, TRIES do
    local id = math.random(0, 0xFFFF)
    socket:send(question(id, name))
    local message
    message, reason = arsenal.timeout(PATIENCE, receive, socket, id)
    if message then
      local ok, found, why = pcall(addresses_in, message)
      return ok and found or nil, ok and why or "the answer makes no sense"
    end
  end
  return nil, reason
end

local function main(name, server, port)
  local socket <close> = arsenal.check(arsenal.udp.connect(server, port))
  local addresses, reason = ask(socket, name)
  if not addresses then
    io.stderr:write(name, ": ", reason, "\n")
    return 1
  end
  for _, address in ipairs(addresses) do print(address) end
  return 0
end

if not arg[1] then
  io.stderr:write("usage: dns_query.lua name [server [port]]\n")
  os.exit(2)
end
arsenal.main(main, arg[1], arg[2] or "127.0.0.53", tonumber(arg[3] or 53))
