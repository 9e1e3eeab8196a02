-- lua/arsenal/os/systemd.lua: notify and watchdog. spec/net/adopt_spec.lua has listen_fds.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

local count = 0
local function fresh_name()
  count = count + 1
  return ("arsenal.systemd.%d.%d"):format(kit.process_id(), count)
end

-- Starts `source` in a child whose states come to the socket that fn gets: fn(socket, child). `environment` is added
-- to the child's; %q in it is the socket's name.
local function with_notified(source, environment, fn)
  local name = fresh_name()
  local socket <close> = assert(arsenal.unix.datagram("\0" .. name))
  local running <close> = child.lua(source, { under = ("env NOTIFY_SOCKET=@%s %s"):format(name, environment) })
  return fn(socket, running)
end

describe("systemd.notify", function()
  it("sends the state to an abstract name", inside(function()
    with_notified([[
      print(arsenal.systemd.notify("READY=1\nSTATUS=on"))
      arsenal.run(function() print(arsenal.systemd.notify("STOPPING=1")) end)
    ]], "", function(socket, running)
      assert.equal("READY=1\nSTATUS=on", (socket:recv()))
      assert.equal("STOPPING=1", (socket:recv()))
      assert.equal("true\ntrue\n", running:finish().out)
    end)
  end))

  it("sends it to a path", inside(function()
    local path = os.tmpname()
    os.remove(path)
    local socket <close> = assert(arsenal.unix.datagram(path))
    local result = child.run_lua([[print(arsenal.systemd.notify("READY=1"))]], { under = "env NOTIFY_SOCKET=" .. path })
    assert.equal("true\n", result.out, result.err)
    assert.equal("READY=1", (socket:recv()))
  end))

  it("adds the time to RELOADING=1, once", inside(function()
    with_notified([[
      arsenal.systemd.notify("RELOADING=1")
      arsenal.systemd.notify("STATUS=a\nRELOADING=1\n")
      arsenal.systemd.notify("RELOADING=1\nMONOTONIC_USEC=5")
      arsenal.systemd.notify("RELOADING=10")
    ]], "", function(socket, running)
      local before = arsenal.now()
      for _, start in ipairs { "RELOADING=1", "STATUS=a\nRELOADING=1" } do
        local text, usec = socket:recv():match("^(.*)\nMONOTONIC_USEC=(%d+)$")
        assert.equal(start, text)
        assert(math.abs(tonumber(usec) / 1e6 - before) < kit.limit, usec)
      end
      assert.equal("RELOADING=1\nMONOTONIC_USEC=5", (socket:recv()))
      assert.equal("RELOADING=10", (socket:recv()))
      running:finish()
    end)
  end))

  it("is nil, without a message, where nobody has asked", function()
    for _, under in ipairs { "env -u NOTIFY_SOCKET", "env NOTIFY_SOCKET=" } do
      local result = child.run_lua([[print(arsenal.systemd.notify("READY=1"))]], { under = under })
      assert.equal("nil\n", result.out, result.err)
    end
  end)

  it("tells why nobody has received it", function()
    local codes = { ["/nowhere/x"] = "ENOENT", ["@" .. fresh_name()] = "ECONNREFUSED", ["vsock:2:1"] = "EINVAL" }
    for address, code in pairs(codes) do
      local result = child.run_lua([[print(select(3, arsenal.systemd.notify("READY=1")))]],
        { under = "env NOTIFY_SOCKET=" .. address })
      assert.equal(code .. "\n", result.out, result.err)
    end
  end)

  it("takes a state", inside(function()
    kit.mistake("notify string", arsenal.systemd.notify)
    kit.mistake("notify string", arsenal.systemd.notify, 1)
    kit.mistake("notify empty", arsenal.systemd.notify, "")
  end))
end)

describe("systemd.watchdog", function()
  it("pings twice in each interval, while the loop turns, and keeps no program alive", inside(function()
    with_notified([[
      local notify, last, least = arsenal.systemd.notify, nil, math.huge
      function arsenal.systemd.notify(state)
        local now = arsenal.now()
        if last then least = math.min(least, now - last) end
        last = now
        return notify(state)
      end
      arsenal.run(function()
        local ending <close> = arsenal.signal("TERM")
        print(arsenal.systemd.watchdog():status())
        ending:wait()
      end)
      print(least >= 0.01)
      notify("STOPPING=1")
    ]], "WATCHDOG_USEC=20000", function(socket, running)
      for _ = 1, 4 do assert.equal("WATCHDOG=1", (socket:recv())) end
      running:signal("TERM")
      local text
      repeat text = socket:recv() until text ~= "WATCHDOG=1"
      assert.equal("STOPPING=1", text)
      assert.equal("ready\ntrue\n", running:finish().out)
    end)
  end))

  it("is nil where none is wanted from this process", function()
    for _, variables in ipairs {
      "WATCHDOG_USEC=20000 WATCHDOG_PID=1 NOTIFY_SOCKET=@x",
      "WATCHDOG_USEC=0 NOTIFY_SOCKET=@x",
      "WATCHDOG_USEC=soon NOTIFY_SOCKET=@x",
      "-u WATCHDOG_USEC NOTIFY_SOCKET=@x",
      "-u NOTIFY_SOCKET WATCHDOG_USEC=20000",
    } do
      local result = child.run_lua("print(arsenal.systemd.watchdog())", { under = "env " .. variables })
      assert.equal("nil\n", result.out, result.err)
    end
  end)
end)
