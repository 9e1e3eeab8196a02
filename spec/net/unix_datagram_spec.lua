-- src/net/unix_datagram.c and lua/arsenal/net/unix.lua: Unix datagram sockets.

local arsenal = require("arsenal")
local behaves_like_a_handle = require("spec.kit.conformance.handle")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local lfs = require("lfs")
local posix = require("spec.kit.posix")
local unix_paths = require("spec.kit.unix_paths")

local inside <const> = kit.inside

local directory <const>, fresh_path <const>, fresh_name <const> = unix_paths.new()

local function datagram(path, options)
  return assert(arsenal.unix.datagram(path, options))
end

-- Calls fn(receiver, path, sender), where the sender has no name.
local function with_pair(fn)
  local path = fresh_path()
  kit.closing_both(datagram(path), datagram(), function(receiver, sender) return fn(receiver, path, sender) end)
end

-- Sends what data(1), data(2), ... return, without waiting, until there is no room; returns how many went out. A call
-- at the end of the task's share of the turn is cut off, too: the next one is not.
local function send_what_fits(sender, path, data)
  local sent, failed = 0, 0
  while failed < 2 do
    if arsenal.timeout(0, sender.send_to, sender, data(sent + 1), path) then
      sent, failed = sent + 1, 0
    else
      failed = failed + 1
      arsenal.yield()
    end
  end
  return sent
end

-- Fills the receiver's queue with numbers, from as many sockets as that needs; returns the last one.
local function fill(path)
  local last = 0
  repeat
    local sender <close> = datagram()
    local sent = send_what_fits(sender, path, function(i) return tostring(last + i) end)
    last = last + sent
  until sent == 0
  return last
end

-- Receives the numbers from `first` to `last`.
local function expect_numbers(receiver, first, last)
  for i = first, last do assert.equal(tostring(i), (receiver:recv())) end
end

describe("a Unix datagram socket", function()
  behaves_like_a_handle(function() return datagram(fresh_path()) end, {
    text = "^unix datagram socket /",
    calls = {
      recv = {},
      recv_from = {},
      send = { "x" },
      send_to = { "x", directory .. "/nobody" },
      set_timeout = { 1 },
      set_option = { "recv_buffer", 10000 },
      local_address = {},
      remote_address = {},
      fd = {},
      stats = {},
    },
  })

  for kind, make_path in pairs { path = fresh_path, ["abstract name"] = fresh_name } do
    it("sends to a socket by its " .. kind .. ", and tells who has sent", inside(function()
      local here, there = make_path(), make_path()
      local a <close> = datagram(here)
      local b <close> = datagram(there)
      assert.equal(here, a:local_address())
      assert.equal(5, a:send_to("hello", there))
      local data, from = b:recv_from()
      assert.equal("hello", data)
      assert.equal(here, from)
      assert.equal(6, b:send_to("answer", from))
      assert.equal("answer", (a:recv()))
      assert.same({ received = 1, sent = 1, dropped = 0 }, a:stats())
      kit.fails("ENOTCONN", a:remote_address())
    end))
  end

  it("without a name is \"\" for the receiver", inside(function()
    with_pair(function(receiver, path, sender)
      sender:send_to("x", path)
      local data, from = receiver:recv_from()
      assert.same({ "x", "" }, { data, from })
      assert.equal("", sender:local_address())
      kit.fails("EINVAL", sender:send_to("x", ""))
    end)
  end))

  it("keeps the bounds of datagrams, and delivers empty ones", inside(function()
    with_pair(function(receiver, path, sender)
      for _, data in ipairs { "", "a\0b", ("x"):rep(100000), "" } do
        assert.equal(#data, sender:send_to(data, path))
        kit.same_bytes(data, receiver:recv())
      end
    end)
  end))

  it("tells that a datagram is larger than the limit, with its beginning", inside(function()
    with_pair(function(receiver, path, sender)
      sender:send_to("abcdef", path)
      sender:send_to("next", path)
      local message, data, from = kit.fails("TOOLONG", receiver:recv_from(4))
      assert.matches("recv_from unix datagram socket .*: the datagram has 6 bytes, and the limit is 4$", message)
      assert.same({ "abcd", "" }, { data, from })
      assert.equal("next", (receiver:recv(4)))
    end)
  end))

  it("receives more than 256 KiB at once if asked to", inside(function()
    with_pair(function(receiver, path, sender)
      local large = kit.random_bytes(300000)
      sender:set_option("send_buffer", 400000)
      local size, message, code = sender:send_to(large, path)
      if code == "EMSGSIZE" then kit.skip("net.core.wmem_max is too small") end
      assert.equal(#large, size, message)
      sender:send_to(large, path)
      kit.same_bytes(large, receiver:recv(1 << 20))
      local _, beginning = kit.fails("TOOLONG", receiver:recv())
      kit.same_bytes(large:sub(1, 256 * 1024), beginning)
    end)
  end))

  it("refuses a datagram that is larger than its buffer", inside(function()
    with_pair(function(_, path, sender)
      local message = kit.fails("EMSGSIZE", sender:send_to(("x"):rep(1 << 23), path))
      assert.matches("^send_to /.* from unix datagram socket %(unnamed%)", message)
    end)
  end))

  it("tells that nobody has the path", inside(function()
    local sender <close> = datagram()
    local message = kit.fails("ENOENT", sender:send_to("x", directory .. "/nobody"))
    assert.equal(("send_to %s/nobody from unix datagram socket (unnamed): no such file or directory"):format(directory),
      message)
    local path = fresh_path()
    local receiver = datagram(path)
    assert(os.rename(path, path .. "x"))
    receiver:close()
    kit.fails("ECONNREFUSED", sender:send_to("x", path .. "x"))
    kit.fails("ECONNREFUSED", sender:send_to("x", fresh_name()))
    local listener <close> = assert(arsenal.unix.listen(fresh_path()))
    kit.fails("EPROTOTYPE", sender:send_to("x", (listener:local_address())))
  end))

  it("is a case for select", inside(function()
    with_pair(function(receiver, path, sender)
      kit.fails("TIMEOUT", arsenal.select({ receiver }, 0))
      sender:send_to("x", path)
      assert.same({ receiver, "x", "" }, { arsenal.select { receiver } })
    end)
  end))

  it("gives each datagram to one of the tasks that receive", inside(function()
    with_pair(function(receiver, path, sender)
      local first, second = kit.waiting(receiver.recv, receiver), kit.waiting(receiver.recv, receiver)
      sender:send_to("1", path)
      sender:send_to("2", path)
      local got = { (first:join()), (second:join()) }
      table.sort(got)
      assert.same({ "1", "2" }, got)
    end)
  end))

  it("keeps a datagram whose receiver was cancelled for the next call", inside(function()
    with_pair(function(receiver, path, sender)
      local task = kit.waiting(receiver.recv, receiver)
      sender:send_to("x", path)
      task:cancel()
      task:join()
      assert.equal("x", (receiver:recv()))
    end)
  end))
end)

describe("unix.datagram", function()
  it("bounds the length of a path, and refuses what is none", inside(function()
    local longest <close> = datagram(fresh_path(107))
    assert.equal(107, #longest:local_address())
    kit.fails("ENAMETOOLONG", arsenal.unix.datagram(fresh_path(108)))
    kit.fails("ENAMETOOLONG", longest:send_to("x", fresh_path(108)))
    assert.equal("bind: the path contains a NUL byte", (kit.fails("EINVAL", arsenal.unix.datagram("a\0b"))))
    assert.equal("send_to: the path contains a NUL byte", (kit.fails("EINVAL", longest:send_to("x", "a\0b"))))
    kit.fails("EINVAL", arsenal.unix.datagram(""))
    kit.fails("EINVAL", arsenal.unix.datagram("\0"))
    kit.fails("EINVAL", arsenal.unix.datagram(nil, { peer = "" }))
    kit.fails("ENOENT", arsenal.unix.datagram(directory .. "/none/x"))
    local other = fresh_name()
    local taken <close> = datagram(other)
    kit.fails("EADDRINUSE", arsenal.unix.datagram(other))
    assert(taken)
  end))

  it("gives the file its permissions", inside(function()
    for mode, shown in pairs { ["600"] = "rw-------", ["0666"] = "rw-rw-rw-", [tonumber("640", 8)] = "rw-r-----" } do
      local path = fresh_path()
      local socket <close> = datagram(path, { mode = mode })
      assert.equal(shown, lfs.attributes(path, "permissions"))
      assert(socket)
    end
    kit.fails("EINVAL", arsenal.unix.datagram(fresh_name(), { mode = "600" }))
    kit.fails("EINVAL", arsenal.unix.datagram(nil, { mode = "600" }))
  end))

  it("removes its file at close, unless another one has the path", inside(function()
    local path = fresh_path()
    datagram(path):close()
    assert.is_nil(lfs.attributes(path))
    local first = datagram(path)
    os.remove(path)
    local second <close> = datagram(path)
    first:close()
    assert.equal("socket", lfs.attributes(path, "mode"))
    second:close()
    assert.is_nil(lfs.attributes(path))
  end))

  it("replaces the file of a socket that no program has any more, if told to", inside(function()
    local path = fresh_path()
    local dead = datagram(path .. "x")
    assert(os.rename(path .. "x", path))
    dead:close()
    kit.fails("EADDRINUSE", arsenal.unix.datagram(path))
    local living <close> = datagram(path, { unlink = true })
    kit.fails("EADDRINUSE", arsenal.unix.datagram(path, { unlink = true }))
    local listener <close> = assert(arsenal.unix.listen(fresh_path()))
    kit.fails("EADDRINUSE", arsenal.unix.datagram((listener:local_address()), { unlink = true }))
    kit.fails("EADDRINUSE", arsenal.unix.listen(path, { unlink = true }))
    assert(living)
  end))

  it("leaves no file behind if its peer is not there", inside(function()
    local path = fresh_path()
    local message = kit.fails("ENOENT", arsenal.unix.datagram(path, { peer = path .. ".none" }))
    assert.equal(("connect %s.none: no such file or directory"):format(path), message)
    assert.is_nil(lfs.attributes(path))
  end))

  it("checks its arguments", inside(function()
    kit.mistake("datagram string", arsenal.unix.datagram, 5)
    kit.mistake("datagram table", arsenal.unix.datagram, "x", 5)
    kit.mistake("backlog", arsenal.unix.datagram, nil, { backlog = 5 })
    kit.mistake("peer string", arsenal.unix.datagram, nil, { peer = 5 })
    kit.mistake("send_buffer", arsenal.unix.datagram, nil, { send_buffer = 0 })
    kit.mistake("octal", arsenal.unix.datagram, "x", { mode = "9" })
    local socket <close> = datagram()
    kit.mistake("string", socket.send_to, socket, {}, "x")
    kit.mistake("string", socket.send_to, socket, "x")
    kit.mistake("string", socket.send_to, socket, "x", 5)
    kit.mistake("unix datagram socket expected", socket.send_to, assert(arsenal.udp.bind("127.0.0.1", 0)), "x", "y")
    kit.mistake("ttl", socket.set_option, socket, "ttl", 5)
    kit.mistake("integer", socket.set_option, socket, "recv_buffer", true)
    assert.is_true(socket:set_option("recv_buffer", 10000))
    collectgarbage()
  end))
end)

describe("a Unix datagram socket with a peer", function()
  it("sends to it", inside(function()
    with_pair(function(receiver, path)
      local socket <close> = datagram(fresh_path(), { peer = path })
      assert.equal(path, socket:remote_address())
      assert.equal(1, socket:send("x"))
      local data, from = receiver:recv_from()
      assert.same({ "x", socket:local_address() }, { data, from })
      receiver:send_to("y", from)
      assert.equal("y", (socket:recv()))
    end)
  end))

  it("does not receive from others", inside(function()
    with_pair(function(_, path, other)
      local socket <close> = datagram(fresh_path(), { peer = path })
      kit.fails("EPERM", other:send_to("x", (socket:local_address())))
    end)
  end))

  it("tells when it is gone", inside(function()
    with_pair(function(receiver, path)
      local socket <close> = datagram(nil, { peer = path })
      receiver:close()
      kit.fails("ECONNREFUSED", socket:send("x"))
    end)
  end))

  it("waits while the peer's queue is full", inside(function()
    with_pair(function(receiver, path)
      local socket <close> = datagram(nil, { peer = path })
      local total = 3000
      local sending = arsenal.go(function()
        for i = 1, total do assert(socket:send(tostring(i))) end
      end)
      kit.until_waiting(sending)
      expect_numbers(receiver, 1, total)
      sending:join()
    end)
  end))
end)

describe("send_to, while the receiver's queue is full,", function()
  it("waits until it has room, and keeps the order", inside(function()
    with_pair(function(receiver, path, sender)
      local sent = fill(path)
      assert(sent > 0)
      local sending = kit.waiting(sender.send_to, sender, tostring(sent + 1), path)
      expect_numbers(receiver, 1, sent + 1)
      assert.equal(#tostring(sent + 1), sending:join())
      local total = kit.count(5000)
      sending = arsenal.go(function()
        for i = 1, total do assert(sender:send_to(tostring(i), path)) end
      end)
      expect_numbers(receiver, 1, total)
      sending:join()
    end)
  end))

  it("does not spin, and neither does send", inside(function()
    with_pair(function(receiver, path, sender)
      local connected <close> = datagram(nil, { peer = path })
      fill(path)
      local first = kit.waiting(sender.send_to, sender, "last", path)
      local second = kit.waiting(connected.send, connected, "last")
      local before = arsenal.stats().turns
      arsenal.sleep(0.1)
      local turns = arsenal.stats().turns - before
      assert(turns < 20, ("%d turns in 0.1 s"):format(turns)) -- each wake-up is a turn
      for _ = 1, 2 do
        local data
        repeat data = receiver:recv() until data == "last"
      end
      first:join()
      second:join()
    end)
  end))

  it("waits for one receiver without regard to the queue of another", inside(function()
    with_pair(function(receiver, path, sender)
      with_pair(function(_, stuck)
        fill(stuck)
        fill(path)
        local blocked = kit.waiting(sender.send_to, sender, "never", stuck)
        local sending = kit.waiting(sender.send_to, sender, "through", path)
        local data
        repeat data = receiver:recv() until data == "through"
        sending:join()
        assert.equal("waiting", blocked:status())
        blocked:cancel()
      end)
    end)
  end))

  it("serves several senders, each datagram once", inside(function()
    with_pair(function(receiver, path, sender)
      local other <close> = datagram()
      local each = kit.count(1000)
      local tasks = {}
      for i = 1, 6 do
        tasks[i] = arsenal.go(function()
          for j = 1, each do assert((i % 2 == 0 and sender or other):send_to(i .. " " .. j, path)) end
        end)
      end
      local last = {}
      for _ = 1, 6 * each do
        local i, j = receiver:recv():match("(%d+) (%d+)")
        assert.equal((last[i] or 0) + 1, tonumber(j))
        last[i] = tonumber(j)
      end
      for _, task in ipairs(tasks) do task:join() end
    end)
  end))

  it("waits while the socket's own buffer is full of what nobody has received", inside(function()
    with_pair(function(receiver, path, sender)
      sender:set_option("send_buffer", 1)
      local total = send_what_fits(sender, path, function() return ("x"):rep(1000) end)
      local sending = kit.waiting(sender.send_to, sender, "last", path)
      for _ = 1, total do assert.equal(1000, #receiver:recv()) end
      assert.equal("last", (receiver:recv()))
      assert.equal(4, sending:join())
    end)
  end))

  it("is cut off by limits and cancellations, and sends nothing then", inside(function()
    with_pair(function(receiver, path, sender)
      local sent = fill(path)
      sender:set_timeout { send = 0.02 }
      local message = kit.fails("TIMEOUT", kit.takes(0.02, sender.send_to, sender, "late", path))
      assert.matches("^send_to /.*: timed out after 0.02", message)
      sender:set_timeout(nil)
      kit.fails("TIMEOUT", arsenal.timeout(0.02, sender.send_to, sender, "late", path))
      local task = kit.waiting(sender.send_to, sender, "cancelled", path)
      task:cancel()
      kit.fails("CANCELLED", task:join())
      expect_numbers(receiver, 1, sent)
      kit.fails("TIMEOUT", arsenal.timeout(0.01, receiver.recv, receiver))
      assert.equal(4, sender:send_to("then", path))
      assert.equal("then", (receiver:recv()))
    end)
  end))

  it("is woken by a close of its socket, and of the receiver", inside(function()
    with_pair(function(receiver, path, sender)
      fill(path)
      local other <close> = datagram()
      local task, second = kit.waiting(sender.send_to, sender, "x", path), kit.waiting(other.send_to, other, "x", path)
      sender:close()
      kit.fails("CLOSED", task:join())
      receiver:close()
      local _, _, code = second:join()
      assert(code == "ENOENT" or code == "ECONNREFUSED", code)
    end)
  end))

  it("waits also where there is no descriptor to watch the receiver with", function()
    local result = child.run_lua([[
      local path = ...
      arsenal.run(function()
        local receiver, sender = arsenal.unix.datagram(path), arsenal.unix.datagram()
        local sent, failed = 0, 0
        while failed < 2 do
          local ok = arsenal.timeout(0, sender.send_to, sender, "x", path)
          sent, failed = ok and sent + 1 or sent, ok and 0 or failed + 1
          arsenal.yield()
        end
        local files, file = {}, nil
        repeat
          file = io.open("/dev/null")
          files[#files + 1] = file
        until not file
        local task = arsenal.go(sender.send_to, sender, "last", path)
        arsenal.yield()
        for _ = 1, sent do receiver:recv() end
        print(receiver:recv(), task:join())
        receiver:close()
      end)]], { before = "ulimit -n 64;" }, fresh_path())
    assert.equal("last\t4\n", result.out, result.err)
  end)
end)

describe("unix.from_fd", function()
  it("adopts a Unix datagram socket", inside(function()
    with_pair(function(receiver, path, sender)
      local copy <close> = assert(arsenal.unix.from_fd(posix.dup(receiver:fd())))
      assert.matches("^unix datagram socket /", tostring(copy))
      receiver:close()
      assert.is_nil(lfs.attributes(path)) -- the one that made the file removes it
      local other <close> = datagram(fresh_path(), { peer = nil })
      copy:send_to("x", (other:local_address()))
      assert.equal("x", (other:recv()))
      assert(sender)
    end)
  end))
end)

describe("a Unix datagram that is too long", function()
  -- In a program of its own, the collector makes a whole cycle when the failure makes its message: the stream that it
  -- closes then has unread bytes.
  it("keeps its beginning while a stream is collected", function()
    local path = fresh_path()
    local result = child.run_lua(([[
      require("spec.kit.collector").whole_cycles()
      arsenal.run(function()
        local listener <close> = assert(arsenal.unix.listen(%q))
        local receiver <close> = assert(arsenal.unix.datagram(%q))
        local sender <close> = assert(arsenal.unix.datagram())
        sender:send_to(("1"):rep(100), %q)
        collectgarbage("stop")
        local client <close> = assert(arsenal.unix.connect((listener:local_address())))
        assert(listener:accept())
        client:send(("x"):rep(200))
        collectgarbage("restart")
        print(select(4, receiver:recv(50)))
      end)]]):format(fresh_path(), path, path))
    assert.same({ 0, "", ("1"):rep(50) .. "\n" }, { result.status, result.err, result.out })
  end)
end)
