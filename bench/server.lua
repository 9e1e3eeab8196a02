-- Servers as child processes on a CPU of their own. A server prints the port it listens on.
local server = {}
server.__index = server

local start = "ulimit -n $(ulimit -Hn); echo $$; exec taskset -c %d %s"

-- Returns nil when the server did not come up.
function server.start(command, cpu)
  local output = assert(io.popen(start:format(cpu, command)))
  local self = setmetatable({ output = output }, server)
  self.pid = output:read("n")
  self.port = output:read("n")
  if not self.port then
    output:close()
    return nil
  end
  return self
end

function server:__tostring()
  return ("%d:%d"):format(self.port, self.pid)
end

function server:stop()
  os.execute(("kill %d"):format(self.pid))
  self.output:close()
end

return server
