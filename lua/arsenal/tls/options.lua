-- The options of TLS: what clients and servers take, as name to kind of value, and what each side needs.

local arguments = require("arsenal.internal.arguments")
local tcp_options = require("arsenal.net.tcp_options")

local options = {}

options.HANDSHAKE_TIMEOUT = 10 -- seconds, if no option says otherwise

-- Checks a list of ALPN names, which have 1 to 255 bytes.
local function protocol_list(value)
  if type(value) ~= "table" then return "list of protocol names expected, got " .. type(value) end
  for i, name in ipairs(value) do
    if type(name) ~= "string" then return ("index %d: string expected, got %s"):format(i, type(name)) end
    if #name < 1 or #name > 255 then return ("index %d: 1 to 255 bytes expected"):format(i) end
  end
  return #value == 0 and "the list is empty"
end

local version = arguments.one_of("1.2", "1.3")

local common = {
  cert = "string",
  key = "string",
  ca_file = "string",
  alpn = protocol_list,
  min_version = version,
  max_version = version,
  ciphers = "string",
}

local function union(...)
  local all = {}
  for _, kinds in ipairs { ... } do
    for name, kind in pairs(kinds) do all[name] = kind end
  end
  return all
end

options.client = union(common, {
  server_name = "string",
  verify = "boolean",
  ca_path = "string",
  session = "string",
  timeout = "seconds",
})

-- What the sni option may set for one name.
local per_name = union(common, { client_cert = arguments.one_of("require", "request") })

-- Returns what is wrong with a server's options as a whole, or nil. The value of each has been checked.
function options.wrong_server(given)
  if not given.cert then return "option 'cert' is missing" end
  if given.client_cert and not given.ca_file then
    return "option 'client_cert' needs 'ca_file', the authorities that clients' certificates come from"
  end
end

-- Returns what is wrong with the options for one name of sni, or nil.
function options.wrong_name(name, given)
  if type(name) ~= "string" then return "names expected as keys, got " .. type(name) end
  if type(given) ~= "table" then return ("%s: table of options expected, got %s"):format(name, type(given)) end
  for key, value in pairs(given) do
    local wrong = arguments.wrong(per_name, key, value)
    if wrong then return ("%s: %s"):format(name, wrong) end
  end
  local wrong = options.wrong_server(given)
  return wrong and ("%s: %s"):format(name, wrong)
end

local function sni_table_or_function(value)
  if type(value) == "function" then return nil end
  if type(value) ~= "table" then return "table or function expected, got " .. type(value) end
  for name, given in pairs(value) do
    local wrong = options.wrong_name(name, given)
    if wrong then return wrong end
  end
end

options.server = union(per_name, { sni = sni_table_or_function, handshake_timeout = "seconds" })

options.start_listener = union(options.server, { max_handshakes = "count" })

options.connect = union(tcp_options.connect, options.client)
options.listen = union(tcp_options.listen, options.start_listener)

-- Returns those of the given options that are among `kinds`.
function options.only(kinds, given)
  local found = {}
  for name in pairs(kinds) do found[name] = given[name] end
  return found
end

return options
