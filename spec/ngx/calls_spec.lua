-- src/stream/cosocket.c and face.c: the calls of a TCP cosocket that core makes, where they meet what is rare.

local arsenal = require("arsenal")
local drivers = require("spec.kit.ngx")
local keepalive = require("arsenal.ngx.keepalive")
local kit = require("spec.kit")
local ngx = require("arsenal.ngx")

local inside <const>, with_socket <const> = drivers.inside, drivers.with_socket

-- Lets a task send on the socket until it waits.
local function stuck_sender(socket)
  return kit.waiting(function() return socket:send(kit.plenty) end)
end

describe("receive of a TCP cosocket", function()
  it("takes sizes in every form", inside(function()
    with_socket(function(socket, peer)
      peer:send("aabbccdd", "\r\r\n", "\r", "xy")
      assert.equal("aa", socket:receive(2))
      assert.equal("bb", socket:receive("2"))
      assert.equal("cc", socket:receive(2.0))
      assert.equal("", socket:receive("0"))
      assert.equal("dd", socket:receive())
      assert.equal("\rxy", socket:receive(3))
      for _, wrong in ipairs { "*x", -1, {}, true, "" } do
        kit.mistake("#1 receive calls_spec.lua", function() return socket:receive(wrong), nil end)
      end
    end)
  end))

  it("waits for items that come in pieces", inside(function()
    with_socket(function(socket, peer)
      local line = kit.waiting(function() return socket:receive() end)
      for _, piece in ipairs { "a\r", "b", "\r", "\nrest" } do
        peer:send(piece)
        kit.polls(2)
      end
      assert.equal("ab", line:join())
      local size = kit.waiting(function() return socket:receive(6) end)
      peer:send("\r\n")
      assert.equal("rest\r\n", size:join())
    end)
  end))

  it("works outside of tasks", kit.outside(function()
    local listener <close> = kit.listen()
    local socket = ngx.socket.tcp()
    assert.equal(1, socket:connect("127.0.0.1", kit.port_of(listener)))
    local peer <close> = assert(listener:accept())
    assert.equal(5, socket:send { "he", { "ll" }, "o" })
    kit.expect(peer, "hello")
    peer:send("line\r\n")
    assert.equal("line", socket:receive())
    socket:close()
  end))

  it("ends its connection when it is cut off, by whatever", inside(function()
    local options = { pool = "calls", pool_size = 1, backlog = 1 }
    local ways = {
      function(receive)
        local task = kit.waiting(receive)
        task:cancel()
        kit.fails("CANCELLED", task:join())
      end,
      function(receive) kit.fails("TIMEOUT", arsenal.timeout(0.01, receive)) end,
      function(receive)
        local task = kit.waiting(function()
          arsenal.coroutine.wrap(receive)()
        end)
        task:cancel()
        kit.fails("CANCELLED", task:join())
      end,
    }
    for _, cut_off in ipairs(ways) do
      for _, pattern in ipairs { "*l", 3 } do
        with_socket(function(socket, peer)
          peer:send("x")
          cut_off(function() return socket:receive(pattern) end)
          assert.is_nil((peer:recv()))
          assert.same({ nil, "closed" }, { socket:receive() })
          assert.same({ 0, 0 }, { keepalive.count("calls") })
        end, options)
      end
    end
  end))

  it("keeps others from closing the connection", inside(function()
    with_socket(function(socket, peer)
      local receiving = kit.waiting(function() return socket:receive(2) end)
      assert.same({ nil, "socket busy reading" }, { socket:close() })
      peer:send("ab")
      assert.equal("ab", receiving:join())
      local sending = stuck_sender(socket)
      assert.same({ nil, "socket busy writing" }, { socket:close() })
      kit.same_bytes(kit.plenty, peer:recv_exactly(#kit.plenty))
      sending:join()
      assert.equal(1, socket:close())
      assert.same({ nil, "closed" }, { socket:receive(2) })
    end)
  end))

  it("is refused to a second task, and does not disturb the first", inside(function()
    with_socket(function(socket, peer)
      local receiving = kit.waiting(function() return socket:receive() end)
      for _, pattern in ipairs { "*l", 1, "*a", 100000 } do
        assert.same({ nil, "socket busy reading" }, { socket:receive(pattern) })
      end
      assert.same({ nil, "socket busy reading" }, { socket:receiveany(1) })
      peer:send("line\n")
      assert.equal("line", receiving:join())
    end)
  end))

  it("does not take a socket for another object", inside(function()
    with_socket(function(socket, peer)
      local receive, send = socket.receive, socket.send
      for _, other in ipairs { {}, { peer }, { io.stdout, {} }, { peer, io.stdout } } do
        pcall(receive, other)
        pcall(receive, other, 1)
      end
      for _, other in ipairs { 1, "x", io.stdout, {}, { io.stdout } } do
        pcall(receive, other)
        pcall(send, other, "x")
      end
      pcall(receive)
      pcall(send)
      peer:send("x")
      assert.equal("x", socket:receive(1))
    end)
  end))
end)

describe("send of a TCP cosocket", function()
  it("refuses what is no data, and sends none of it", inside(function()
    with_socket(function(socket, peer)
      local cyclic = {}
      cyclic[1] = cyclic
      for _, wrong in ipairs { { "a", true }, { "a", { print } }, print, cyclic } do
        assert.is_false((pcall(socket.send, socket, wrong)))
      end
      assert.equal(4, socket:send(true))
      assert.equal(3, socket:send(nil))
      kit.expect(peer, "truenil")
      assert.equal(0, socket:send(""))
      assert.equal(0, socket:send {})
    end)
  end))

  it("is refused while another task sends", inside(function()
    with_socket(function(socket, peer)
      local sending = stuck_sender(socket)
      for _, data in ipairs { "x", { "x", "y" }, 1 } do
        assert.same({ nil, "socket busy writing" }, { socket:send(data) })
      end
      assert.same({ nil, "socket busy writing" }, { socket:setkeepalive() })
      kit.same_bytes(kit.plenty, peer:recv_exactly(#kit.plenty))
      assert.equal(#kit.plenty, sending:join())
    end)
  end))

  it("sends lists that the kernel takes in part", inside(function()
    with_socket(function(socket, peer)
      local COUNT <const> = 3000 -- more than the kernel takes
      local sending = kit.waiting(function()
        local total = 0
        for i = 1, COUNT do total = total + assert(socket:send { i, { ":", ("x"):rep(i % 4000) }, "\n" }) end
        return total
      end)
      local total = 0
      for i = 1, COUNT do
        local line = peer:recv_line()
        kit.same_bytes(i .. ":" .. ("x"):rep(i % 4000), line)
        total = total + #line + 1
      end
      assert.equal(total, sending:join())
    end)
  end))

  it("ends the connection when it fails, takes too long or is cancelled", inside(function()
    with_socket(function(socket)
      socket:settimeouts(nil, 10)
      assert.same({ nil, "timeout" }, { socket:send(kit.plenty) })
      assert.same({ nil, "closed" }, { socket:send("x") })
    end)
    with_socket(function(socket)
      local sending = stuck_sender(socket)
      sending:cancel()
      kit.fails("CANCELLED", sending:join())
      assert.same({ nil, "closed" }, { socket:send("x") })
    end)
    with_socket(function(socket, peer)
      peer:reset()
      local sent, word
      repeat sent, word = socket:send { "x", 1 } until not sent
      assert(word == "broken pipe" or word == "connection reset by peer", word)
      assert.same({ nil, "closed" }, { socket:send("x") })
    end)
  end))

  it("lets other tasks run", inside(function()
    with_socket(function(socket, peer)
      local reading = arsenal.go(function() return #peer:recv_all() end)
      local turns = kit.turns_beside(function()
        for _ = 1, 2000 do assert(socket:send { "x", 1 }) end
      end)
      assert(turns > 1, turns)
      socket:close()
      assert.equal(4000, reading:join())
    end)
  end))
end)
