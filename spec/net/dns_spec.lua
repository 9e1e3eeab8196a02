-- src/net/dns.c: names.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside
local it_with_names <const> = child.it_with("cc")

-- Names that no lookup may see.
local REFUSED <const> = {
  ["empty"] = "",
  ["with a NUL"] = "localhost\0.evil.example",
  ["over 253 bytes"] = ("a."):rep(127) .. "b",
  ["with a label over 63 bytes"] = ("a"):rep(64) .. ".example",
}

describe("dns.resolve", function()
  it("lists addresses with their families", inside(function()
    local addresses = assert(arsenal.dns.resolve("localhost"))
    assert(#addresses >= 1)
    for _, entry in ipairs(addresses) do
      assert(entry.family == "inet" and entry.address:find("^127%.")
        or entry.family == "inet6" and entry.address == "::1", entry.address)
    end
  end))

  it("takes numeric addresses as they are", inside(function()
    assert.same({ { address = "192.0.2.1", family = "inet" } }, arsenal.dns.resolve("192.0.2.1"))
    assert.same({ { address = "2001:db8::1", family = "inet6" } }, arsenal.dns.resolve("2001:db8:0::1"))
  end))

  it("keeps to the family that it is told", inside(function()
    local addresses = assert(arsenal.dns.resolve("localhost", { family = "inet" }))
    for _, entry in ipairs(addresses) do assert.equal("inet", entry.family) end
    kit.mistake("family", arsenal.dns.resolve, "localhost", { family = "unix" })
    kit.mistake("famly", arsenal.dns.resolve, "localhost", { famly = "inet" })
  end))

  for what, name in pairs(REFUSED) do
    it("refuses a name " .. what .. " (#case32)", inside(function()
      kit.fails("EINVAL", arsenal.dns.resolve(name))
      kit.fails("EINVAL", arsenal.tcp.connect(name, 80))
      kit.fails("EINVAL", arsenal.tcp.listen(name, 0))
    end))
  end

  it("touches no task when the collector frees what a lookup needed", inside(function()
    local event, resolved, waiting = arsenal.event(), 0, {}
    for i = 1, 4 do
      waiting[i] = arsenal.go(function()
        arsenal.dns.resolve("localhost")
        resolved = resolved + 1
        return event:wait()
      end)
    end
    while resolved < #waiting do arsenal.yield() end
    for _ = 1, 2 do collectgarbage() end
    event:set()
    for _, task in ipairs(waiting) do assert(task:join()) end
  end))

  it("takes a string", inside(function()
    kit.mistake("string", arsenal.dns.resolve)
    kit.mistake("string", arsenal.dns.resolve, 127)
    kit.mistake("string", arsenal.dns.resolve, {})
  end))

  it_with_names("tells that a name does not exist, or can't be known now", function()
    local result = child.run_lua([[
      print(arsenal.dns.resolve("none.test"))
      print(arsenal.dns.resolve("later.test"))]], { names = "none.test=;later.test=again" })
    assert.matches("nil\t[^\n]*none%.test[^\n]*\tEAI_NONAME\n", result.out, nil, result.err)
    assert.matches("nil\t[^\n]*later%.test[^\n]*\tEAI_AGAIN\n", result.out, nil, result.err)
  end)

  it("cancelled leaves nothing", inside(function()
    for turns = 0, 2 do
      local resolving = arsenal.go(arsenal.dns.resolve, "localhost")
      for _ = 1, turns do arsenal.yield() end
      resolving:cancel()
      resolving:join()
    end
  end))
end)

describe("a resolver that never answers", function()
  local it <const> = it_with_names

  -- The program's until_hanging(n) waits until the resolver has n lookups.
  local UNTIL_HANGING <const> = [[
    local function until_hanging(count)
      while true do
        local file = io.open(os.getenv("ARSENAL_HANGING"))
        local hanging = file and file:seek("end") or 0
        if file then file:close() end
        if hanging >= count then return end
        arsenal.sleep(0.001)
      end
    end ]]

  -- Runs the program with 100 names that hang, 1.hang.test and so on, and one that answers; returns
  -- its output.
  local function with_silent_resolver(source)
    local names, noted = { "alive.test=127.0.0.1" }, os.tmpname()
    for i = 1, 100 do names[#names + 1] = i .. ".hang.test=hang" end
    local result = child.run_lua(UNTIL_HANGING .. source, {
      names = table.concat(names, ";"),
      before = "export ARSENAL_HANGING=" .. noted .. ";",
    })
    os.remove(noted)
    assert.equal(0, result.status, result.err)
    return result.out
  end

  it("holds up neither limits, sockets, numeric addresses nor timers (#case32)", function()
    assert.equal("ok\n", with_silent_resolver([[
      local kit = require("spec.kit")
      arsenal.run(function()
        local waiting = {}
        for i = 1, 2 do waiting[i] = arsenal.go(arsenal.dns.resolve, i .. ".hang.test") end
        until_hanging(2)
        assert(arsenal.dns.resolve("127.0.0.1"))
        kit.with_pair(function(a, b)
          a:send("x")
          assert(b:recv() == "x")
        end)
        kit.fails("TIMEOUT", arsenal.tcp.connect("1.hang.test", 80, { timeout = 0.01 }))
        for _, task in ipairs(waiting) do
          task:cancel()
          kit.fails("CANCELLED", task:join())
        end
        print("ok")
      end)
      os.exit(0)]]))
  end)

  it("lets one lookup through beside it", function()
    assert.equal("127.0.0.1\n", with_silent_resolver([[
      arsenal.run(function()
        local hanging = arsenal.go(arsenal.dns.resolve, "1.hang.test")
        until_hanging(1)
        print(arsenal.dns.resolve("alive.test")[1].address)
        hanging:cancel()
      end)
      os.exit(0)]]))
  end)

  it("does not hold up many cancelled lookups (#case32)", function()
    assert.equal("0\n", with_silent_resolver([[
      arsenal.run(function()
        local tasks = {}
        for i = 1, 100 do tasks[i] = arsenal.go(arsenal.dns.resolve, i .. ".hang.test") end
        until_hanging(16) -- all threads
        for i = 1, 100 do tasks[i]:cancel() end
        for i = 1, 100 do tasks[i]:join() end
        print(arsenal.stats().waiting)
      end)
      os.exit(0)]]))
  end)

  for how, last in pairs {
    ["the end of the script"] = "",
    ["os.exit(0, true)"] = "os.exit(0, true)",
    ["os.exit inside a task"] = "arsenal.run(function() os.exit(0, true) end)",
  } do
    it("does not hold up " .. how .. " (#case3)", function()
      assert.equal("leaving\n", with_silent_resolver([[
        local task = arsenal.go(arsenal.dns.resolve, "1.hang.test")
        for _ = 1, 10 do arsenal.run_once(0) end
        assert(task:status() == "waiting")
        print("leaving")
        ]] .. last))
    end)
  end
end)

describe("dns.reverse", function()
  it_with_names("gives the name of an address", function()
    local result = child.run_lua([[
      print(arsenal.dns.reverse("192.0.2.7"))
      print(arsenal.dns.reverse("2001:db8::7"))
      print(arsenal.dns.reverse("192.0.2.8"))]],
      { names = "192.0.2.7=seven.test;2001:db8::7=six.test;192.0.2.8=" })
    assert.matches("^seven%.test\nsix%.test\nnil\treverse 192%.0%.2%.8: [^\n]*\tEAI_NONAME\n", result.out,
      nil, result.err)
  end)

  it("refuses what is no numeric address", inside(function()
    for _, text in ipairs { "", "localhost", "127.0.0.1\0", "1.2.3.4.5", "::1%" .. ("x"):rep(300) } do
      kit.fails("EINVAL", arsenal.dns.reverse(text))
    end
    kit.mistake("string", arsenal.dns.reverse, 127)
    kit.mistake("family", arsenal.dns.reverse, "127.0.0.1", { family = "inet" })
  end))

  it_with_names("that hangs is given up, and holds up neither others nor the exit (#case32)", function()
    local started = arsenal.now()
    local result = child.run_lua([[
      arsenal.run(function()
        local others = {}
        for i = 1, 20 do
          others[i] = arsenal.go(arsenal.dns.reverse, "192.0.2.9")
        end
        print(arsenal.dns.reverse("192.0.2.9", { timeout = 0.05 }))
        print(arsenal.dns.reverse("192.0.2.7"))
        arsenal.stop()
      end)]], { names = "192.0.2.9=hang;192.0.2.7=seven.test" })
    assert.matches("^nil\treverse 192%.0%.2%.9: timed out\tTIMEOUT\nseven%.test\n$", result.out, nil, result.err)
    assert.equal(0, result.status)
    assert(arsenal.now() - started < kit.limit / 2)
  end)
end)
