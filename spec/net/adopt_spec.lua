-- src/net/adopt.c, and listen_fds of lua/arsenal/os/systemd.lua: sockets that were opened elsewhere.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

describe("from_fd", function()
  it("of another kind of socket, or none, is a failure, and leaves it alone", inside(function()
    local listener <close> = kit.listen()
    local socket <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    local message = kit.fails("EINVAL", arsenal.unix.from_fd(listener:fd()))
    assert.matches("^from_fd %d+: not a Unix stream or datagram socket", message)
    kit.fails("EINVAL", arsenal.tcp.from_fd(socket:fd()))
    kit.fails("EINVAL", arsenal.udp.from_fd(listener:fd()))
    kit.fails("EBADF", arsenal.tcp.from_fd(9999))
    local file, fd = kit.opened(io.open, "/dev/null")
    kit.fails("ENOTSOCK", arsenal.tcp.from_fd(fd))
    file:close()
    local client <close> = kit.connect_to(listener)
    local server <close> = listener:accept()
    assert(client and server)
  end))

  it("takes a descriptor's number", inside(function()
    for _, family in ipairs { "tcp", "unix", "udp" } do
      kit.mistake("integer", arsenal[family].from_fd, "3")
      kit.mistake("range", arsenal[family].from_fd, -1)
      kit.mistake("integer", arsenal[family].from_fd)
    end
  end))
end)

-- Sockets are handed to a child by systemd's protocol; python3 stands in for systemd where it is there.
local HAND_OVER <const> = [[
import os, socket, sys
def listening(family, address):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.bind(address)
    s.listen()
    return s
sockets = [listening(socket.AF_INET, ("127.0.0.1", 0)), listening(socket.AF_UNIX, sys.argv[1]),
           socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
sockets[2].bind(("127.0.0.1", 0))
client = socket.create_connection(sockets[0].getsockname())
connected, _ = sockets[0].accept()
client.sendall(b"sent before\n")
ends = socket.socketpair()
last = os.open("/dev/null", os.O_RDONLY)
fds = [s.fileno() for s in sockets] + [connected.fileno(), ends[0].fileno(), last]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
keep = [os.dup2(client.fileno(), 200), os.dup2(ends[1].fileno(), 201)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
for fd in keep:
    os.set_inheritable(fd, True)
os.environ["LISTEN_PID"] = sys.argv[2] or str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_FDNAMES"] = "web:control:dns"
os.execvp(sys.argv[3], sys.argv[3:])
]]

local function hand_over(source, path, pid)
  local script, program = os.tmpname(), os.tmpname()
  source = "io.stdout:setvbuf('no') local arsenal = require('arsenal') " .. source
  for name, text in pairs { [script] = HAND_OVER, [program] = source } do
    local file <close> = assert(io.open(name, "w"))
    file:write(text)
  end
  local result = child.run(child.command("python3", script, path, pid or "", os.getenv("LUA") or "lua5.4", program))
  os.remove(script)
  os.remove(program)
  os.remove(path)
  return result
end

describe("listen_fds", function()
  local it <const> = child.it_with("python3")

  it("gives what was handed over as objects that work", function()
    local path = os.tmpname()
    os.remove(path)
    local result = hand_over([[
      local list = arsenal.systemd.listen_fds()
      for _, each in ipairs(list) do
        print(each.fd, each.name, (tostring(each.socket):gsub("[%d.:/].*", "")), each.message)
      end
      print(#arsenal.systemd.listen_fds(), os.getenv("LISTEN_FDS"))
      local tcp, unix, udp = list[1].socket, list[2].socket, list[3].socket
      local stream, pair = list[4].socket, list[5].socket
      arsenal.run(function()
        print(stream:recv_line())
        local client = assert(arsenal.tcp.connect(tcp:local_address()))
        local server = tcp:accept()
        server:send("tcp\n")
        print(client:recv_line())
        local local_client = assert(arsenal.unix.connect((unix:local_address())))
        unix:accept():send("unix\n")
        print(local_client:recv_line())
        local sender = assert(arsenal.udp.connect(udp:local_address()))
        sender:send("udp")
        print(udp:recv())
        local other = assert(arsenal.unix.from_fd(201))
        other:send("pair")
        print(pair:recv_exactly(4), pair:peer_credentials().pid ~= nil)
        local path = unix:local_address()
        unix:close()
        print(io.open(path) == nil and os.rename(path, path)) -- what another has made is not unlinked
      end)]], path)
    assert.equal(0, result.status, result.out .. result.err)
    assert.equal(table.concat({
      "3\tweb\ttcp listener \tnil",
      "4\tcontrol\tunix listener \tnil",
      "5\tdns\tudp socket \tnil",
      "6\tunknown\ttcp stream \tnil",
      "7\tunknown\tunix stream (unnamed) -> (unnamed)\tnil",
      "8\tunknown\tnil\tfrom_fd 8: socket operation on non-socket",
      "0\tnil",
      "sent before",
      "tcp",
      "unix",
      "udp",
      "pair\ttrue",
      "true",
    }, "\n") .. "\n", result.out)
  end)

  it("is empty where the descriptors are for another process", function()
    local path = os.tmpname()
    os.remove(path)
    local result = hand_over("print(#arsenal.systemd.listen_fds())", path, "1")
    assert.equal("0\n", result.out, result.err)
  end)

  it("is empty where nothing was handed over", inside(function()
    assert.same({}, arsenal.systemd.listen_fds())
  end))
end)
