-- src/net/unix.c, src/system/unix_socket_file.c, src/base/unix_address.c and lua/arsenal/net/unix.lua: streams and
-- listeners on paths and abstract names.

local arsenal = require("arsenal")
local behaves_like_a_handle = require("spec.kit.conformance.handle")
local behaves_like_a_listener = require("spec.kit.conformance.listener")
local behaves_like_a_stream = require("spec.kit.conformance.stream")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local lfs = require("lfs")
local unix_paths = require("spec.kit.unix_paths")

local inside <const> = kit.inside

local directory <const>, fresh_path <const>, fresh_name <const> = unix_paths.new()

local function listen(options)
  return assert(arsenal.unix.listen(fresh_path(), options))
end

local function connect_to(listener)
  return assert(arsenal.unix.connect((listener:local_address())))
end

local function pair()
  local listener <close> = listen()
  local client = connect_to(listener)
  return client, assert(listener:accept())
end

local function exists(path)
  return lfs.symlinkattributes(path) ~= nil
end

-- A socket file that nobody listens on: its maker was killed.
local function dead_file()
  local path = fresh_path()
  local running <close> = child.lua([[
    local listener = assert(arsenal.unix.listen((...)))
    print("ready")
    arsenal.run(function() listener:accept() end)]], nil, path)
  running:expect("^ready$")
  running:signal("KILL")
  running:finish()
  assert(exists(path))
  return path
end

local function write_file(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

describe("a Unix stream", function()
  -- The kernel charges a Unix socket's buffer some 700 bytes for each write, so that a few hundred of
  -- single bytes fill it, where the suite counts on more to fit.
  if not kit.one_byte then behaves_like_a_stream(pair, { reset = false }) end

  local peers = setmetatable({}, { __mode = "k" })

  behaves_like_a_handle(function()
    local stream, peer = pair()
    peers[stream] = peer
    return stream
  end, {
    text = "^unix stream %(unnamed%) %-> /.*/%d+$",
    calls = {
      recv = {},
      recv_exactly = { 1 },
      send = { "x" },
      shutdown = {},
      close = {},
      reset = {},
      local_address = {},
      remote_address = {},
      peer_credentials = {},
      fd = {},
    },
  })

  it("has a path for an address, and \"\" where it has none", inside(function()
    local listener <close> = listen()
    local path = listener:local_address()
    local client <close> = connect_to(listener)
    local server <close> = listener:accept()
    assert.same({ path }, { client:remote_address() })
    assert.same({ "" }, { client:local_address() })
    assert.same({ path }, { server:local_address() })
    assert.same({ "" }, { server:remote_address() })
    assert.equal(("unix stream %s -> (unnamed)"):format(path), tostring(server))
  end))

  it("names the path in its failures, also when the peer has gone", inside(function()
    local client, server = pair()
    kit.closing_both(client, server, function(a, b)
      local path = a:remote_address()
      b:close()
      assert.is_nil(a:recv())
      local message = kit.fails("EPIPE", a:send("x"))
      assert.matches("unix stream (unnamed) -> " .. path, message, 1, true)
    end)
  end))

  it("tells who the peer is", inside(function()
    local client, server = pair()
    kit.closing_both(client, server, function(a, b)
      for _, stream in ipairs { a, b } do
        local peer = assert(stream:peer_credentials())
        assert.equal(kit.process_id(), peer.pid)
        assert.equal(lfs.attributes("/proc/self", "uid"), peer.uid)
        assert.equal(lfs.attributes("/proc/self", "gid"), peer.gid)
      end
    end)
  end))

  it("tells that another process is the peer", inside(function()
    local listener <close> = listen()
    local running <close> = child.lua([[
      local stream = assert(arsenal.unix.connect((...)))
      stream:recv()]], nil, (listener:local_address()))
    local server <close> = listener:accept()
    assert.equal(lfs.attributes("/proc/self", "uid"), server:peer_credentials().uid)
    assert.not_equal(kit.process_id(), server:peer_credentials().pid)
    server:close()
    running:finish()
  end))

  it("of another family has no credentials", inside(function()
    kit.with_pair(function(a) kit.fails("ENOTSUP", a:peer_credentials()) end)
  end))

  it("is counted as what it is", inside(function()
    local client, server = pair()
    kit.closing_both(client, server, function()
      assert.equal(2, arsenal.stats().handles["unix stream"])
    end)
  end))
end)

describe("a Unix listener", function()
  behaves_like_a_listener(listen, connect_to)

  behaves_like_a_handle(listen, {
    text = "^unix listener /.*/%d+$",
    calls = { accept = {}, close = {}, local_address = {}, stats = {}, fd = {} },
  })

  it("unlinks its file when it is closed, or collected", inside(function()
    local listener = listen()
    local path = listener:local_address()
    assert.is_true(exists(path))
    listener:close()
    assert.is_false(exists(path))
    do
      local dropped = assert(arsenal.unix.listen(path))
      assert(dropped)
    end
    collectgarbage()
    collectgarbage()
    assert.is_false(exists(path))
  end))

  it("unlinks its file at the end of the program", function()
    local path = fresh_path()
    local result = child.run_lua([[assert(arsenal.unix.listen((...)))]], nil, path)
    assert.equal(0, result.status, result.err)
    assert.is_false(exists(path))
  end)

  it("closed after another process has taken its path does not unlink that one's (#case30)", inside(function()
    local listener = listen()
    local path = listener:local_address()
    os.remove(path)
    local running <close> = child.lua([[
      local taken = assert(arsenal.unix.listen((...)))
      print("ready")
      arsenal.run(function() taken:accept():send("from the child\n") end)]], nil, path)
    running:expect("^ready$")
    listener:close()
    assert.is_true(exists(path))
    local results = table.pack(arsenal.unix.connect(path))
    assert.equal(1, results.n)
    local client <close> = results[1]
    assert.equal("from the child", client:recv_line())
    running:finish()
  end))

  it("closed after something else has its path leaves that alone", inside(function()
    local listener = listen()
    local path = listener:local_address()
    os.remove(path)
    write_file(path, "precious")
    listener:close()
    assert.is_true(exists(path))
  end))

  it("on a path that exists is EADDRINUSE, whatever it is", inside(function()
    local path = fresh_path()
    write_file(path, "precious")
    for _, options in ipairs { {}, { unlink = true } } do
      local message = kit.fails("EADDRINUSE", arsenal.unix.listen(path, options))
      assert.matches("^listen " .. path .. ": ", message)
    end
    assert.equal("file", lfs.attributes(path, "mode"))
    kit.fails("EADDRINUSE", arsenal.unix.listen(directory, { unlink = true }))
  end))

  it("leaves a dead socket file in its way, unless it is told to unlink it", inside(function()
    local path = dead_file()
    kit.fails("EADDRINUSE", arsenal.unix.listen(path))
    kit.fails("ECONNREFUSED", arsenal.unix.connect(path))
    local listener <close> = assert(arsenal.unix.listen(path, { unlink = true }))
    local client <close> = assert(arsenal.unix.connect(path))
    local server <close> = listener:accept()
    assert(client and server)
  end))

  it("never replaces a live one", inside(function()
    local live <close> = listen { backlog = 1 }
    local path = live:local_address()
    kit.fails("EADDRINUSE", arsenal.unix.listen(path, { unlink = true }))
    local first <close> = assert(arsenal.unix.connect(path))
    local second <close> = assert(arsenal.unix.connect(path)) -- its backlog is full now
    kit.fails("TIMEOUT", arsenal.unix.connect(path, { timeout = 0 }))
    kit.fails("EADDRINUSE", arsenal.unix.listen(path, { unlink = true }))
    assert(second and exists(path))
    first:send("first") -- to look whether the other lives was no connection for it
    local served <close> = live:accept()
    kit.expect(served, "first")
  end))

  it("never replaces one that does not listen yet", inside(function()
    local path = fresh_path()
    local other = require("arsenal.socket.unix")()
    assert(other:bind(path))
    kit.fails("EADDRINUSE", arsenal.unix.listen(path, { unlink = true }))
    assert(other:listen(1))
    local client <close> = assert(arsenal.unix.connect(path))
    assert(client)
    other:close()
    os.remove(path)
  end))

  it("started by many processes at once replaces a dead file once", inside(function()
    local path, running, won = dead_file(), {}, 0
    for i = 1, 8 do
      running[i] = child.lua([[
        io.read("l")
        local listener, _, code = arsenal.unix.listen((...), { unlink = true })
        print(listener and "listening" or code)
        if not listener then return end
        for stream in listener:clients() do
          if stream:recv_line() == "end" then break end
        end]], { input = "go\n" }, path)
    end
    for _, each in ipairs(running) do
      local word = each:expect("^%u*%l*$")
      if word == "listening" then won = won + 1 end
    end
    assert.equal(1, won)
    local client <close> = assert(arsenal.unix.connect(path))
    client:send("end\n")
    for _, each in ipairs(running) do each:finish() end
  end))

  it("gives its file the mode it is told", inside(function()
    for _, case in ipairs { { "600", "rw-------" }, { "0666", "rw-rw-rw-" }, { 432, "rw-rw----" } } do
      local listener <close> = listen { mode = case[1] }
      assert.equal(case[2], lfs.attributes((listener:local_address()), "permissions"))
    end
  end))

  it("pauses and goes on where paths are relative", inside(function()
    local before = lfs.currentdir()
    assert(lfs.chdir(directory))
    local listener = assert(arsenal.unix.listen("relative"))
    local ok, err = pcall(function()
      local client <close> = assert(arsenal.unix.connect("relative"))
      assert.equal("relative", (client:remote_address()))
    end)
    listener:close()
    local left = exists("relative")
    lfs.chdir(before)
    assert(ok, err)
    assert.is_false(left)
  end))

  it("checks its options before it touches anything", inside(function()
    local path = fresh_path()
    kit.mistake("string", arsenal.unix.listen)
    kit.mistake("string", arsenal.unix.listen, 5)
    kit.mistake("colour", arsenal.unix.listen, path, { colour = 1 })
    kit.mistake("mode", arsenal.unix.listen, path, { mode = "rw" })
    kit.mistake("mode", arsenal.unix.listen, path, { mode = 660 })
    kit.mistake("mode", arsenal.unix.listen, path, { mode = -1 })
    kit.mistake("unlink", arsenal.unix.listen, path, { unlink = 1 })
    kit.mistake("backlog", arsenal.unix.listen, path, { backlog = 0 })
    assert.is_false(exists(path))
  end))
end)

describe("a Unix path", function()
  for _, call in ipairs { "listen", "connect" } do
    it("that is too long is ENAMETOOLONG for " .. call .. ", and nothing is touched (#case30)", inside(function()
      for _, length in ipairs { 108, 150, 5000 } do
        local path = fresh_path(length)
        local message = kit.fails("ENAMETOOLONG", arsenal.unix[call](path))
        assert.matches("^" .. call .. " " .. directory, message)
        assert.is_false(exists(path:sub(1, 107)))
      end
      kit.fails("ENAMETOOLONG", arsenal.unix[call]("\0" .. ("x"):rep(108)))
    end))

    it("that is empty, or has a NUL inside, is EINVAL for " .. call .. " (#case30)", inside(function()
      for _, path in ipairs { "", "\0", directory .. "/a\0b", directory .. "/a\0" } do
        kit.fails("EINVAL", arsenal.unix[call](path))
      end
      assert.is_false(exists(directory .. "/a"))
    end))
  end

  it("of 107 bytes fits (#case30)", inside(function()
    local path = fresh_path(107)
    local listener <close> = assert(arsenal.unix.listen(path))
    assert.equal(path, (listener:local_address()))
    local client <close> = assert(arsenal.unix.connect(path))
    assert.equal(path, (client:remote_address()))
  end))

  it("where nothing is, is ENOENT", inside(function()
    local path = fresh_path()
    local message = kit.fails("ENOENT", arsenal.unix.connect(path))
    assert.matches("^connect " .. path .. ": ", message)
    kit.fails("ENOENT", arsenal.unix.listen(path .. "/below"))
  end))

  it("of a file that is no socket is ECONNREFUSED", inside(function()
    local path = fresh_path()
    write_file(path, "")
    kit.fails("ECONNREFUSED", arsenal.unix.connect(path))
  end))

  child.it_with("strace")("without permission is EACCES", function()
    local path = fresh_path()
    local result = child.run_lua(("print(select(3, arsenal.unix.listen(%q)))"):format(path),
      { under = "strace -f -o /dev/null -e inject=bind:error=EACCES" })
    assert.equal("EACCES\n", result.out)
    assert.is_nil(lfs.attributes(path))
  end)
end)

describe("an abstract name", function()
  it("is reached by it, and leaves no file (#case30)", inside(function()
    local first_name, second_name = fresh_name(), fresh_name() .. "\0with\0NULs"
    local first <close> = assert(arsenal.unix.listen(first_name))
    local second <close> = assert(arsenal.unix.listen(second_name))
    for name, listener in pairs { [first_name] = first, [second_name] = second } do
      assert.equal(name, (listener:local_address()))
      local client <close> = assert(arsenal.unix.connect(name))
      local server <close> = listener:accept()
      assert.equal(name, (client:remote_address()))
      assert.equal("unix stream (unnamed) -> " .. name:gsub("\0", "@"), tostring(client))
      client:send("x")
      assert.equal("x", server:recv())
    end
    kit.fails("EADDRINUSE", arsenal.unix.listen(first_name))
    first:close()
    kit.fails("ECONNREFUSED", arsenal.unix.connect(first_name))
  end))

  it("of 108 bytes in all fits", inside(function()
    local name = fresh_name()
    name = name .. ("x"):rep(108 - #name)
    local listener <close> = assert(arsenal.unix.listen(name))
    assert.equal(name, (listener:local_address()))
    assert(arsenal.unix.connect(name)):close()
  end))

  it("has no mode", inside(function()
    kit.fails("EINVAL", arsenal.unix.listen(fresh_name(), { mode = "600" }))
  end))
end)

describe("unix.connect", function()
  -- A listener with a full backlog, and those who fill it.
  local function full()
    local listener, filling = listen { backlog = 1 }, {}
    for i = 1, 2 do filling[i] = connect_to(listener) end
    return listener, filling
  end

  it("waits while the backlog is full, then is served (#case28)", inside(function()
    local listener <close>, filling = full()
    local connecting = kit.waiting(connect_to, listener)
    arsenal.sleep(0.01)
    assert.not_equal("done", connecting:status())
    for _ = 1, 2 do listener:accept():close() end
    local client <close> = connecting:join()
    local server <close> = listener:accept()
    server:send("served\n")
    assert.equal("served", client:recv_line())
    for _, each in ipairs(filling) do each:close() end
  end))

  it("to a full backlog ends at its timeout (#case28)", inside(function()
    local listener <close>, filling = full()
    local path = listener:local_address()
    kit.takes(0.02, function()
      local message = kit.fails("TIMEOUT", arsenal.unix.connect(path, { timeout = 0.02 }))
      assert.matches("^connect " .. path, message)
    end)
    kit.fails("TIMEOUT", arsenal.timeout(0.01, arsenal.unix.connect, path))
    local connecting = kit.waiting(arsenal.unix.connect, path)
    connecting:cancel()
    kit.fails("CANCELLED", connecting:join())
    for _, each in ipairs(filling) do each:close() end
  end))

  it("works outside tasks", kit.outside(function()
    local listener <close> = listen()
    local client <close> = connect_to(listener)
    local server <close> = listener:accept()
    server:send("hello\n")
    assert.equal("hello", client:recv_line())
  end))

  it("checks its arguments", inside(function()
    kit.mistake("string", arsenal.unix.connect)
    kit.mistake("string", arsenal.unix.connect, {})
    kit.mistake("port", arsenal.unix.connect, "/x", { port = 1 })
    kit.mistake("timeout", arsenal.unix.connect, "/x", { timeout = "1" })
  end))
end)
