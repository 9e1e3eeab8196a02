-- Cosockets whose calls do not return, and pools that come and go: no connection and no place in a pool is lost.

local arsenal = require("arsenal")
local drivers = require("spec.kit.ngx")
local keepalive = require("arsenal.ngx.keepalive")
local kit = require("spec.kit")
local ngx = require("arsenal.ngx")

local inside <const>, with_socket <const> = drivers.inside, drivers.with_socket
local co <const> = arsenal.coroutine

-- Starts a task that waits in fn(...) in a generator, and closes the generator.
local function closed_in(fn, ...)
  local generator = co.create(fn)
  local task = kit.waiting(co.resume, generator, ...)
  coroutine.close(generator)
  return task
end

local calls = {
  receive = function(socket) socket:receive() end,
  receiveany = function(socket) socket:receiveany(1) end,
  receiveuntil = function(socket) socket:receiveuntil("x")() end,
  send = function(socket) socket:send(("x"):rep(32 << 20)) end,
  sslhandshake = function(socket) socket:sslhandshake(nil, "localhost", true) end,
}

describe("a cosocket", function()
  for name, call in pairs(calls) do
    it(("closes its connection when the coroutine is closed in which %s waits"):format(name), inside(function()
      with_socket(function(socket)
        local task = closed_in(call, socket)
        assert.same({ nil, "closed" }, { socket:setkeepalive() })
        task:join()
      end)
    end))
  end

  it("can connect again, and has no place in a pool, after a connect whose coroutine was closed", inside(function()
    local listener <close> = kit.listen()
    local socket, options = ngx.socket.tcp(), { pool = "closed", pool_size = 1, backlog = 1 }
    local task = closed_in(socket.connect, socket, "nosuch.invalid", 80, options)
    assert.same({ 0, 0 }, { keepalive.count("closed") })
    assert.equal(1, socket:connect("127.0.0.1", kit.port_of(listener), options))
    socket:close()
    task:join()
  end))

  it("passes its place in a pool on if it was collected with the coroutine that waited for it", inside(function()
    local listener <close> = kit.listen()
    local port, options = kit.port_of(listener), { pool = "collected", pool_size = 1, backlog = 1 }
    local first = ngx.socket.tcp()
    assert.equal(1, first:connect("127.0.0.1", port, options))
    local task = closed_in(function()
      co.wrap(function() ngx.socket.tcp():connect("127.0.0.1", port, options) end)()
    end)
    task:cancel()
    task:join()
    first:close()
    collectgarbage()
    collectgarbage()
    assert.same({ 0, 0 }, { keepalive.count("collected") })
  end))

  it("counts in its pool also if the pool was dropped while connect let others run", inside(function()
    local listener <close> = kit.listen()
    local port, options = kit.port_of(listener), { pool = "dropped", pool_size = 1, backlog = 1 }
    local socket = ngx.socket.tcp()
    arsenal.group(function(group)
      group:background(function()
        while true do
          keepalive.close()
          arsenal.yield()
        end
      end)
      for _ = 1, 100 do
        assert.equal(1, socket:connect("127.0.0.1", port, options))
        assert.same({ 0, 1 }, { keepalive.count("dropped") })
        socket:setkeepalive()
      end
    end)
  end))
end)

describe("a UDP cosocket", function()
  it("can be used again after a receive that was cut off", inside(function()
    local peer <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    local socket = ngx.socket.udp()
    local function use()
      assert.equal(1, socket:setpeername("127.0.0.1", (select(2, peer:local_address()))))
      assert.equal(1, socket:send("x"))
      assert.equal("x", peer:recv())
    end
    use()
    local task = kit.waiting(socket.receive, socket)
    task:cancel()
    kit.fails("CANCELLED", task:join())
    use()
    closed_in(socket.receive, socket):join()
    use()
    socket:close()
  end))
end)
