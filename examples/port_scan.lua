-- Prints which TCP ports of a host accept connections. Scan only your own hosts.
--
--   lua5.4 examples/port_scan.lua [host [first port [last port]]]

local arsenal = require("arsenal")

local AT_ONCE <const> = 100 -- connections at the same time
local PATIENCE <const> = 2 -- seconds for each

-- The system may choose the same port for this end as the one that we connect to.
local function is_connected_to_itself(stream)
  local _, own = stream:local_address()
  local _, other = stream:remote_address()
  return own == other
end

local function is_open(address, port)
  local stream <close> = arsenal.tcp.connect(address, port, { timeout = PATIENCE })
  return stream and not is_connected_to_itself(stream)
end

-- AT_ONCE tasks share the ports; each takes the next port that is left.
local function scan(address, first, last)
  local found, next_port = {}, first
  local function work()
    while next_port <= last do
      local port = next_port
      next_port = port + 1
      if is_open(address, port) then found[#found + 1] = port end
    end
  end
  arsenal.group(function(group)
    for _ = 1, math.min(AT_ONCE, last - first + 1) do group:go(work) end
  end)
  table.sort(found)
  return found
end

local function main(host, first, last)
  local address = arsenal.check(arsenal.dns.resolve(host))[1].address
  local started = arsenal.now()
  local found = scan(address, first, last)
  for _, port in ipairs(found) do print(port) end
  print(("%d of %d ports of %s are open (%.1f s)"):format(
    #found, last - first + 1, address, arsenal.now() - started))
end

local host, first = arg[1] or "127.0.0.1", tonumber(arg[2] or 1)
local last = tonumber(arg[3] or arg[2] or 1024)
if not first or not last or first > last then
  io.stderr:write("usage: port_scan.lua [host [first port [last port]]]\n")
  os.exit(2)
end
arsenal.main(main, host, first, last)
