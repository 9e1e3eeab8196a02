-- behaves_like_a_listener(listen, connect): what section 4 promises of every listener. `listen(options)`
-- gives an open one, `connect(listener)` a client of it; both are called inside the loop.

local arsenal = require("arsenal")
local assert = require("luassert")
local busted = require("busted")
local kit = require("spec.kit")

local describe <const> = busted.describe

-- An exchange that shows that the two ends belong together.
local function talk(client, server)
  client:send("ping\n")
  assert.equal("ping", server:recv_line())
  server:send("pong\n")
  assert.equal("pong", client:recv_line())
end

return function(listen, connect)
  -- it(title, function(listener) ... end) with a fresh listener, closed afterwards.
  local function it(title, body)
    busted.it(title, kit.inside(function()
      local listener <close> = listen()
      body(listener)
    end))
  end

  describe("behaves like a listener:", function()
    it("accept gives a stream to the client", function(listener)
      local client <close> = connect(listener)
      local server <close> = listener:accept()
      talk(client, server)
    end)

    it("accept waits for a client", function(listener)
      local accepting = kit.waiting(listener.accept, listener)
      local client <close> = connect(listener)
      local server <close> = accepting:join()
      talk(client, server)
    end)

    it("several tasks may accept, and each client is accepted once", function(listener)
      local accepting, clients = {}, {}
      for i = 1, 3 do accepting[i] = kit.waiting(listener.accept, listener) end
      for i = 1, 3 do
        clients[i] = connect(listener)
        clients[i]:send("x")
      end
      for i = 1, 3 do
        local server <close> = accepting[i]:join()
        kit.expect(server, "x")
        server:send("y")
      end
      for i = 1, 3 do
        assert.equal("y", clients[i]:recv())
        clients[i]:close()
      end
      assert.equal(3, listener:stats().accepted)
    end)

    it("a cancelled accept leaves the client to the next, whenever the cancel comes (#case27)", function(listener)
      for turns = 0, 4 do
        local accepting = kit.waiting(listener.accept, listener)
        local client <close> = connect(listener)
        for _ = 1, turns do arsenal.yield() end
        accepting:cancel()
        local server <close> = accepting:join() or listener:accept()
        talk(client, server)
      end
    end)

    it("an accept whose time is up loses no client (#case27)", function(listener)
      kit.fails("TIMEOUT", arsenal.timeout(0.01, listener.accept, listener))
      local client <close> = connect(listener)
      local server <close> = listener:accept()
      talk(client, server)
    end)

    it("close wakes each accept with CLOSED in the same turn (#case14)", function(listener)
      local accepting = {}
      for i = 1, 3 do accepting[i] = kit.waiting(function() return table.pack(listener:accept()) end) end
      assert.is_true(listener:close())
      arsenal.yield()
      for i = 1, 3 do
        assert.equal("done", accepting[i]:status())
        kit.fails("CLOSED", table.unpack(accepting[i]:join(), 1, 3))
      end
      kit.fails("CLOSED", listener:accept())
    end)

    it("clients gives each client, and ends when the listener is closed", function(listener)
      local count = 0
      local accepting = kit.waiting(function()
        for stream in listener:clients() do
          count = count + 1
          stream:send("welcome\n")
          stream:close()
        end
        return "ended"
      end)
      for _ = 1, 3 do
        local client <close> = connect(listener)
        assert.equal("welcome", client:recv_line())
      end
      listener:close()
      assert.equal("ended", accepting:join())
      assert.equal(3, count)
    end)

    it("a task waiting in accept keeps the listener alive (#case1)", function(outer)
      local accepting, client
      do
        local listener = listen()
        accepting = kit.waiting(listener.accept, listener)
        client = connect(listener)
      end
      collectgarbage()
      collectgarbage()
      local server <close> = accepting:join()
      talk(client, server)
      client:close()
      outer:close()
    end)

    it("stats counts the accepted and those still open", function(listener)
      local clients, servers = {}, {}
      for i = 1, 2 do
        clients[i] = connect(listener)
        servers[i] = listener:accept()
      end
      local stats = listener:stats()
      assert.equal(2, stats.accepted)
      assert.equal(0, stats.refused)
      for i = 1, 2 do
        clients[i]:close()
        servers[i]:close()
      end
    end)

    it("serve gives each client a task, and closes its stream at the end", function(listener)
      local seen = {}
      local serving = kit.waiting(listener.serve, listener, function(stream, from)
        assert.equal(listener, from)
        seen[#seen + 1] = arsenal.current()
        kit.echo(stream)
      end)
      local clients = { connect(listener), connect(listener) }
      for i, client in ipairs(clients) do
        client:send("hello " .. i)
        kit.expect(client, "hello " .. i)
      end
      assert.not_equal(seen[1], seen[2])
      for _, client in ipairs(clients) do
        client:shutdown()
        assert.is_nil(client:recv())
        client:close()
      end
      listener:close()
      assert.is_true(serving:join())
    end)
  end)
end
