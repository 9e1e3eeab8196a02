-- Names and services, and the functions of socket.dns.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local words = require("arsenal.socket.words")

local lookup = {}

-- Calls fn(name, port) with each service that /etc/services has, until it returns something, which is the result.
local function find_service(fn)
  local file <close> = io.open("/etc/services")
  if not file then return nil end
  for line in file:lines() do
    local name, port = line:match("^([%w_.-]+)%s+(%d+)/")
    local found = name and fn(name, math.tointeger(port))
    if found then return found end
  end
end

-- Returns the port of a service: a number, or a name that /etc/services has; or nil.
function lookup.port(service)
  local number = tonumber(service)
  if not number then
    return find_service(function(name, port) return name == service and port end)
  end
  number = math.tointeger(number)
  return number and number >= 0 and number <= 65535 and number or nil
end

-- Returns a list of { address =, family = } and the port; or nil and LuaSocket's word. `family` is "inet", "inet6" or
-- nil; "*" as the host is every address.
function lookup.endpoint(host, service, family)
  local port = lookup.port(service)
  if not port then return nil, "service not supported for socket type" end
  if host == "*" then
    return { { address = family == "inet6" and "::" or "0.0.0.0", family = family or "inet" } }, port
  end
  local addresses, message, code = core.resolve(host, { family = family })
  if not addresses then return nil, words.of_lookup(message, code) end
  return addresses, port
end

-- The functions of socket.dns ---------------------------------------------------------------------

local dns = {}
lookup.dns = dns

-- Returns a list of { family =, addr = }.
function dns.getaddrinfo(host)
  local addresses, message, code = core.resolve(classes.string(host, 1, "getaddrinfo"))
  if not addresses then return nil, words.of_lookup(message, code) end
  local list = {}
  for i, address in ipairs(addresses) do list[i] = { family = address.family, addr = address.address } end
  return list
end

local function is_numeric(host)
  local addresses = host:find("^[%x:.]+$") and core.resolve(host)
  return addresses and #addresses == 1 and addresses[1].address == host
end

local function list_of(addresses)
  local list = {}
  for i, address in ipairs(addresses) do list[i] = address.address end
  return list
end

-- Returns the first address, and a table of all that is known; IPv4 only, as in LuaSocket.
function dns.toip(host)
  host = classes.string(host, 1, "toip")
  local addresses = core.resolve(host, { family = "inet" })
  if not addresses then return nil, "host not found" end
  local list = list_of(addresses)
  return list[1], { name = host, alias = {}, ip = list }
end

-- Returns the name of an address, or of a host's first address, and a table as of toip.
function dns.tohostname(address)
  address = classes.string(address, 1, "tohostname")
  local list = { address }
  if not is_numeric(address) then
    local addresses = core.resolve(address, { family = "inet" })
    if not addresses then return nil, "host not found" end
    list = list_of(addresses)
  end
  local name = core.reverse(list[1])
  if not name then return nil, "host not found" end
  return name, { name = name, alias = {}, ip = list }
end

-- Returns the name of a port or a service, or its number if it has none; nil if there is no such service.
local function service_name(service)
  local number = lookup.port(service)
  if not number then return nil end
  return find_service(function(name, port) return port == number and name end) or tostring(number)
end

-- Returns the names of the host's addresses, or nil and a word.
local function host_names(host)
  local addresses, message, code = core.resolve(host)
  if not addresses then return nil, words.of_lookup(message, code) end
  local names = {}
  for i, address in ipairs(addresses) do names[i] = core.reverse(address.address) or address.address end
  return names
end

-- Returns a list of the names of the host's addresses, which is empty without a host, and the name of the service, if
-- there is one.
function dns.getnameinfo(host, service)
  host = host ~= nil and classes.string(host, 1, "getnameinfo")
  service = service ~= nil and classes.string(service, 2, "getnameinfo")
  if not host and not service then error("host and serv cannot be both nil", 2) end
  local name = service and service_name(service)
  if service and not name then return nil, words.of(nil, "EAI_SERVICE") end
  if not host then return {}, name end
  local names, word = host_names(host)
  if not names then return nil, word end
  if not service then return names end
  return names, name
end

function dns.gethostname()
  return core.host_name()
end

return lookup
