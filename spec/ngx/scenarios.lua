-- Scenarios that run on OpenResty and on arsenal.ngx: each calls `out` with what it sees. `peer` is the port of the
-- server of openresty_spec.lua. Written for LuaJIT and for Lua 5.4. Nothing here depends on how fast anything is: what
-- a call is to find has arrived before the call is made.

local function hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

return function(ngx, peer, modules)
  local scenarios = {}

  local function scenario(name, fn)
    scenarios[#scenarios + 1] = { name = name, run = fn }
  end

  -- The server knows each connection by a number, and does what the lines on one connection say about others.
  local control, numbers, count = nil, {}, 0

  local function command(what, socket, argument)
    if not control then
      control = ngx.socket.tcp()
      assert(control:connect("127.0.0.1", peer, { pool = "control" }))
      control:settimeout(10000)
    end
    assert(control:send { what, " ", numbers[socket], " ", argument or "", "\n" })
    assert(control:receive() == "done")
  end

  local function connected(options)
    local socket = ngx.socket.tcp()
    assert(socket:connect("127.0.0.1", peer, options))
    socket:settimeout(10000)
    count = count + 1
    numbers[socket] = count
    assert(socket:send { "number ", count, "\n" })
    assert(socket:receive() == "done")
    return socket
  end

  -- Makes the server send something, end its sending direction, or reset the connection.
  local function say(socket, text) command("say", socket, hex(text)) end
  local function finish(socket) command("end", socket) end
  local function reset(socket) command("reset", socket) end

  -- What is wrong, of an error: LuaJIT and Lua 5.4 name and count arguments differently.
  local function mistake(out, fn, ...)
    local function show(ok, err, ...)
      if ok then return out(ok, err, ...) end
      err = tostring(err)
      out(ok, err:match("bad argument .-%((.*)%)$") or err:match("expecting") or (err:gsub("^[^:]*:%d+: ", "")))
    end
    show(pcall(fn, ...))
  end

  -- TCP: receiving ---------------------------------------------------------------------------------

  scenario("receive", function(out)
    local socket = connected()
    say(socket, "one\r\ntw\ro\n\n12345abc")
    out(socket:receive())
    out(socket:receive("*l"))
    out(socket:receive("*l"))
    out(socket:receive(3))
    out(socket:receive("2"))
    out(socket:receive(0))
    out(socket:receiveany(2))
    out(socket:receiveany(100))
    say(socket, "rest")
    finish(socket)
    out(socket:receive("*a"))
    out(socket:receive("*a"))
    out(socket:receive())
    out(socket:receive(1))
    out(socket:receiveany(1))
    out(socket:setkeepalive())
    out(socket:close())
    out(socket:close())
  end)

  scenario("partial results", function(out)
    local socket = connected()
    socket:settimeout(20)
    say(socket, "abc")
    out(socket:receive(10))
    say(socket, "de\r")
    out(socket:receive())
    say(socket, "fg")
    out(socket:receive("*a"))
    out(socket:receive("*a"))
    out(socket:receiveany(10))
    socket:settimeout(10000)
    say(socket, "hi")
    finish(socket)
    out(socket:receive(10))
    out(socket:receive(10))
    out(socket:receive())
    out(socket:close())
    socket = connected()
    say(socket, "line")
    finish(socket)
    out(socket:receive())
    out(socket:receive())
    out(socket:getreusedtimes())
  end)

  scenario("patterns that are none", function(out)
    local socket = connected()
    socket:settimeout(20)
    for _, pattern in ipairs { "*x", "", "x", -1, 1.5, true, "1x" } do
      mistake(out, socket.receive, socket, pattern)
    end
    mistake(out, socket.receive, socket, {})
    for _, size in ipairs { 0, -1, "x", "2", true } do
      mistake(out, socket.receiveany, socket, size)
    end
    mistake(out, socket.receiveuntil, socket, "")
    mistake(out, socket.receiveuntil, socket, true)
    mistake(out, socket.receiveuntil, socket, "x", "y")
    mistake(out, socket.receiveuntil, socket, "x", { inclusive = 1 })
    socket:close()
  end)

  scenario("receiveuntil", function(out)
    local socket = connected()
    say(socket, "head--body--abc--aaab-rest--tail-")
    local reader = socket:receiveuntil("--")
    out(reader())
    out(reader(2))
    out(reader(2))
    out(reader(2))
    out(reader(2))
    out(socket:receiveuntil("--", { inclusive = true })())
    out(socket:receiveuntil("aab-")())
    local pieces = socket:receiveuntil("--", { inclusive = true })
    out(pieces(3))
    out(pieces(3))
    out(pieces(3))
    finish(socket)
    out(reader())
    out(reader())
    out(reader(4))
    socket:close()
    socket = connected()
    socket:settimeout(20)
    say(socket, "abc-")
    reader = socket:receiveuntil("--")
    out(reader())
    say(socket, "de")
    out(reader(1))
    out(reader(5))
    socket:close()
    out(reader())
    mistake(out, reader, -1)
    mistake(out, reader, "x")
  end)

  scenario("receiveuntil in pieces", function(out)
    for _, inclusive in ipairs { false, true } do
      for size = 0, 8 do
        local socket = connected()
        say(socket, "abcd--efgh-i--")
        finish(socket)
        local reader = socket:receiveuntil("--", { inclusive = inclusive })
        for _ = 1, 12 do out(size, reader(size)) end
        socket:close()
      end
    end
    local socket = connected()
    say(socket, "abcdef--gh--ij--")
    local reader = socket:receiveuntil("--")
    out(reader(2))
    out(reader())
    out(reader(1))
    out(socket:receive(1))
    out(reader())
    out(reader())
    socket:close()
  end)

  -- TCP: sending -----------------------------------------------------------------------------------

  scenario("send", function(out)
    local socket = connected()
    local lists = { { "a", 1, { "b", { 2.5 } }, "" }, {}, { {} } }
    for _, data in ipairs { "", "x", 12, 1.5, 2^40, 1e100, -0.25, true, false, lists, lists[1], lists[2], lists[3] } do
      out(socket:send(data))
    end
    out(socket:send(nil))
    finish(socket)
    for _, data in ipairs { { "a", true }, { print }, { a = 1 }, { [3] = 1 } } do
      mistake(out, socket.send, socket, data)
    end
    mistake(out, socket.send, socket, print)
    mistake(out, socket.send, socket, ngx.null)
    socket:close()
    out(socket:send("x"))
  end)

  scenario("numbers as text", function(out)
    local socket = connected()
    for _, data in ipairs { 12, 1.5, 2^40, 2^53, 1e15, 1e100, -0.25, 3.0, 1/3, -7 } do
      local size = #("%.14g"):format(data)
      assert(socket:send("echo " .. size .. "\n"))
      out(socket:send(data))
      out(socket:receive(size))
      assert(socket:send("echo " .. size .. "\n"))
      out(socket:send { data })
      out(socket:receive(size))
    end
    socket:close()
  end)

  scenario("connecting", function(out)
    local socket = ngx.socket.tcp()
    out(socket:send("x"))
    out(socket:receive())
    out(socket:receive(1))
    out(socket:receiveany(1))
    out(socket:setkeepalive())
    out(socket:getreusedtimes())
    out(socket:close())
    out(socket:connect("127.0.0.1", 9))
    out(socket:connect("127.0.0.1", "9"))
    out(socket:connect("unix:/nosuch/socket"))
    mistake(out, socket.connect, socket, "127.0.0.1")
    mistake(out, socket.connect, socket, "127.0.0.1", "x")
    mistake(out, socket.connect, socket, "127.0.0.1", -1)
    mistake(out, socket.connect, socket, "127.0.0.1", 65536)
    mistake(out, socket.connect, socket, "127.0.0.1", {})
    mistake(out, socket.connect, socket, "127.0.0.1", nil)
    mistake(out, socket.connect, socket, "127.0.0.1", peer, { pool_size = 0 })
    mistake(out, socket.connect, socket, "127.0.0.1", peer, { pool_size = -1 })
    mistake(out, socket.connect, socket, "127.0.0.1", peer, { backlog = -1 })
    mistake(out, socket.connect, socket, "127.0.0.1", peer, { pool = true })
    socket:close()
    out(socket:connect("127.0.0.1", peer))
    out(socket:getreusedtimes())
    out(socket:connect("127.0.0.1", peer)) -- again
    out(socket:setoption("keepalive", true))
    out(socket:setoption("tcp-nodelay", true))
    out(socket:setoption("reuseaddr", true))
    out(socket:setoption("sndbuf", 65536))
    out(socket:setoption("rcvbuf", 65536))
    mistake(out, socket.setoption, socket, "nosuch", 1)
    mistake(out, socket.setoption, socket, "keepalive")
    mistake(out, socket.setoption, socket)
    out(socket:close())
    out(type(ngx.socket.connect("127.0.0.1", peer)))
    out(ngx.socket.connect("127.0.0.1", 9))
  end)

  scenario("time limits", function(out)
    local socket = connected()
    for _, value in ipairs { 0, 100, 1.5, "200" } do mistake(out, socket.settimeout, socket, value) end
    for _, value in ipairs { -1, "x", true } do mistake(out, socket.settimeout, socket, value) end
    mistake(out, socket.settimeouts, socket, 100, 100, 100)
    mistake(out, socket.settimeouts, socket, nil, nil, 20)
    mistake(out, socket.settimeouts, socket, -1, 1, 1)
    out(socket:receive())
    socket:close()
  end)

  scenario("a peer that resets", function(out)
    local socket = connected()
    say(socket, "ab")
    reset(socket)
    out(socket:receive(1))
    out(socket:receive(2))
    out(socket:receive(2))
  end)

  scenario("two tasks on one socket", function(out)
    local socket = connected()
    local thread = ngx.thread.spawn(function() return socket:receive() end)
    out(socket:receive())
    out(socket:receive(1))
    out(socket:receiveany(1))
    out(socket:setkeepalive())
    out(socket:close())
    socket:settimeout(100)
    say(socket, "line\n")
    out(ngx.thread.wait(thread))
    out(socket:close())
  end)

  -- Pools ------------------------------------------------------------------------------------------

  scenario("pools", function(out)
    local options = { pool = "p" .. peer, pool_size = 1 }
    local first, second = connected(options), connected(options)
    out(first:getreusedtimes())
    out(first:setkeepalive())
    out(first:getreusedtimes())
    out(first:send("x"))
    out(first:setkeepalive())
    out(second:setkeepalive(1000, 5))
    first = connected(options)
    out(first:getreusedtimes())
    say(first, "unread")
    out(first:setkeepalive())
    out(first:receive())
    first = connected(options)
    out(first:getreusedtimes())
    finish(first)
    out(first:setkeepalive())
    first = connected(options)
    mistake(out, first.setkeepalive, first, -1)
    mistake(out, first.setkeepalive, first, 100, 0)
    mistake(out, first.setkeepalive, first, "x")
    out(first:close())
  end)

  scenario("a pool with a backlog", function(out)
    local options = { pool = "b" .. peer, pool_size = 1, backlog = 1 }
    local first = connected(options)
    local waiting = ngx.thread.spawn(function()
      local socket = ngx.socket.tcp()
      local done, word = socket:connect("127.0.0.1", peer, options)
      local times = socket:getreusedtimes()
      if done then socket:close() end
      return done, word, times
    end)
    out(ngx.socket.tcp():connect("127.0.0.1", peer, options))
    out(first:setkeepalive())
    out(ngx.thread.wait(waiting))
    first = connected(options)
    local late = ngx.socket.tcp()
    late:settimeout(20)
    out(late:connect("127.0.0.1", peer, options))
    first:close()
  end)

  -- UDP --------------------------------------------------------------------------------------------

  scenario("UDP", function(out)
    local socket = ngx.socket.udp()
    out(socket:send("x"))
    out(socket:receive())
    out(socket:close())
    mistake(out, socket.setpeername, socket, "127.0.0.1", "x")
    mistake(out, socket.setpeername, socket, "127.0.0.1", 65536)
    out(socket:setpeername("127.0.0.1", peer)) -- nobody there
    socket:settimeout(20)
    out(socket:send("x"))
    out(socket:receive())
    mistake(out, socket.send, socket, { "a", { 1 } })
    mistake(out, socket.send, socket, { "a", true })
    mistake(out, socket.send, socket, print)
    out(socket:close())
    out(socket:close())
  end)

  -- Light threads ----------------------------------------------------------------------------------

  scenario("threads", function(out)
    local order = {}
    local thread = ngx.thread.spawn(function(a, b)
      order[#order + 1] = "begun"
      ngx.sleep(0)
      order[#order + 1] = "ended"
      return a, b, nil
    end, 1, "two")
    order[#order + 1] = "spawned"
    out(ngx.thread.wait(thread))
    out(order[1], order[2], order[3])
    out(ngx.thread.wait(thread))
    out(ngx.thread.kill(thread))
    local failing = ngx.thread.spawn(function() error("wrong", 0) end)
    out(ngx.thread.wait(failing))
    local object = ngx.thread.spawn(function() error({ code = 1 }) end)
    local ok, err = ngx.thread.wait(object)
    out(ok, type(err))
    local slow = ngx.thread.spawn(function() ngx.sleep(10) end)
    local quick = ngx.thread.spawn(function() ngx.sleep(0.01) return "quick" end)
    out(ngx.thread.wait(slow, quick))
    out(ngx.thread.kill(slow))
    out(ngx.thread.kill(slow))
    out(ngx.thread.wait(slow))
    local ended = ngx.thread.spawn(function() return 1 end)
    out(ngx.thread.kill(ended))
    out(ngx.thread.wait(ended))
    mistake(out, ngx.thread.spawn)
    mistake(out, ngx.thread.spawn, 1)
    mistake(out, ngx.thread.wait)
    mistake(out, ngx.thread.wait, 1)
    mistake(out, ngx.thread.kill)
    mistake(out, ngx.thread.kill, 1)
  end)

  -- Semaphores -------------------------------------------------------------------------------------

  scenario("semaphores", function(out)
    local semaphore = modules("ngx.semaphore")
    mistake(out, semaphore.new, -1)
    mistake(out, semaphore.new, "x")
    mistake(out, semaphore.new, 1.5)
    local one = semaphore.new(1)
    out(one:count())
    out((one:wait(0)))
    out(one:wait(0))
    out(one:wait(0.01))
    mistake(out, one.post, one, 0)
    mistake(out, one.post, one, -1)
    out(one:post(2))
    out(one:post())
    out(one:count())
    out((one:wait(0)))
    out((one:wait(0)))
    out((one:wait(0)))
    out(one:wait(0))
    local waiting = ngx.thread.spawn(function() return (one:wait(10)) end)
    out(one:count())
    out(one:post())
    out(ngx.thread.wait(waiting))
    out(one:count())
  end)

  -- Timers -----------------------------------------------------------------------------------------

  scenario("timers", function(out)
    local function callback() end
    local semaphore = modules("ngx.semaphore").new()
    local seen = {}
    out(ngx.timer.at(0, function(premature, a, b)
      seen[#seen + 1] = premature
      seen[#seen + 1] = a
      seen[#seen + 1] = b
      semaphore:post()
    end, "x", 2))
    out((semaphore:wait(10)))
    out(seen[1], seen[2], seen[3])
    out(ngx.timer.at(0.01, function() semaphore:post() end))
    out(ngx.timer.pending_count(), ngx.timer.running_count())
    out((semaphore:wait(10)))
    local calls = 0
    out(ngx.timer.every(0.02, function()
      calls = calls + 1
      if calls == 3 then semaphore:post() end
    end))
    out((semaphore:wait(10)))
    mistake(out, ngx.timer.at, "x", callback)
    mistake(out, ngx.timer.at, 0, 1)
    mistake(out, ngx.timer.every, 0, callback)
  end)

  -- Functions --------------------------------------------------------------------------------------

  scenario("codecs", function(out)
    for _, value in ipairs { "", "a", "ab", "abc", "abc\0\255", 12, 1.5 } do
      out(ngx.encode_base64(value), ngx.escape_uri(value), ngx.crc32_short(value), ngx.crc32_long(value))
      out(ngx.md5(value), ngx.md5_bin(value), ngx.sha1_bin(value))
      out(ngx.encode_base64(value, true), ngx.hmac_sha1("key", value))
    end
    for _, text in ipairs { "", "YQ==", "YWI=", "YWJj", "YQ", "Y", "*&^", "YWJj\n", "YW Jj" } do
      out(ngx.decode_base64(text))
    end
    for _, value in ipairs { true, false } do out(ngx.md5(value), ngx.md5_bin(value), ngx.sha1_bin(value)) end
    out(ngx.md5(nil), ngx.md5_bin(nil), ngx.sha1_bin(nil))
    for _, value in ipairs { true, {} } do
      out((pcall(ngx.hmac_sha1, value, "x")))
      out((pcall(ngx.hmac_sha1, "x", value)))
    end
    mistake(out, ngx.encode_base64, nil)
    mistake(out, ngx.encode_base64, true)
    mistake(out, ngx.decode_base64, 12)
    mistake(out, ngx.decode_base64, nil)
    local all = {}
    for byte = 0, 255 do all[#all + 1] = string.char(byte) end
    all = table.concat(all)
    out(ngx.escape_uri(all))
    out(ngx.escape_uri(all, 0))
    out(ngx.escape_uri(all, 2))
    out(ngx.unescape_uri(ngx.escape_uri(all)))
    out(ngx.quote_sql_str(all))
    out(ngx.unescape_uri("a+b%20c%zz%4%41%"))
  end)

  scenario("query strings", function(out)
    local names = { "a", "b", "c", "d" }
    for _, value in ipairs { 1, "", { 1, "b c" }, true, "&=" } do
      out(ngx.encode_args({ ["a b"] = value }))
    end
    out(ngx.encode_args({}))
    out(ngx.encode_args({ a = false }))
    mistake(out, ngx.encode_args, "x")
    mistake(out, ngx.encode_args, { a = {} })
    mistake(out, ngx.encode_args, { [1] = 2 })
    for _, text in ipairs { "a=1&b=2&a=3", "a&b=&=c&&d=%20+x", "", "a=b=c" } do
      local found = ngx.decode_args(text)
      for _, name in ipairs(names) do
        local value = found[name]
        if type(value) == "table" then out(name, value[1], value[2], value[3]) else out(name, value) end
      end
    end
    local _, word = ngx.decode_args("a=1&b=2&c=3", 2)
    out(word)
  end)

  scenario("times", function(out)
    out(ngx.http_time(0))
    out(ngx.http_time(1547178289))
    out(ngx.cookie_time(1547178289))
    out(ngx.parse_http_time("Thu, 18-Nov-10 11:27:35 GMT"))
    out(ngx.parse_http_time("Thu, 18 Nov 2010 11:27:35 GMT"))
    out(ngx.parse_http_time("nonsense"))
    mistake(out, ngx.http_time, "x")
    mistake(out, ngx.sleep, -1)
    mistake(out, ngx.sleep, "x")
    out(#ngx.today(), #ngx.localtime(), #ngx.utctime(), type(ngx.time()), type(ngx.now()), ngx.get_phase())
    out(type(ngx.null), ngx.null == nil)
  end)

  -- Shared dictionaries ----------------------------------------------------------------------------

  scenario("shared dictionaries", function(out)
    local dict = ngx.shared.scenarios
    out(ngx.shared.nosuch)
    out(dict:get("a"))
    out(dict:set("a", "text"))
    out(dict:get("a"))
    out(dict:set("a", 12, 0, 7))
    out(dict:get("a"))
    out(dict:set("b", true))
    out(dict:set("c", false))
    out(dict:get("b"))
    out(dict:get("c"))
    out(dict:set("a", nil))
    out(dict:get("a"))
    out(dict:set(12, 1.5))
    out(dict:get("12"))
    for _, key in ipairs { "", ("k"):rep(65536) } do
      out(dict:get(key))
      out(dict:set(key, 1))
      out(dict:incr(key, 1))
      out(dict:ttl(key))
      out(dict:llen(key))
      out(dict:lpush(key, 1))
    end
    out(dict:get(nil))
    out(dict:set(nil, 1))
    out(dict:set("t", {}))
    out(dict:set("t", print))
    mistake(out, dict.set, dict, "t", 1, -1)
    out(dict:add("a", 1))
    out(dict:add("a", 2))
    out(dict:replace("a", 3))
    out(dict:replace("nosuch", 3))
    out(dict:safe_set("a", 4))
    out(dict:safe_add("a", 5))
    out(dict:safe_add("z", 5))
    out(dict:get("a"))
    out(dict:delete("a"))
    out(dict:delete("a"))
    out(dict:capacity())
    dict:flush_all()
  end)

  scenario("counting in shared dictionaries", function(out)
    local dict = ngx.shared.scenarios
    out(dict:incr("n", 1))
    out(dict:incr("n", 1, 10))
    out(dict:incr("n", 1, 10))
    out(dict:incr("n", -0.5))
    out(dict:get("n"))
    dict:set("s", "text")
    out(dict:incr("s", 1))
    out(dict:incr("s", 1, 1))
    dict:set("s", "12")
    out(dict:incr("s", 1))
    out((pcall(dict.incr, dict, "n", "x")))
    out((pcall(dict.incr, dict, "new", 1, "x")))
    out((pcall(dict.incr, dict, "new", 1, 0, -1)))
    out(dict:incr("timed", 1, 0, 100))
    out(dict:ttl("timed") > 90)
    dict:flush_all()
  end)

  scenario("time in shared dictionaries", function(out)
    local dict = ngx.shared.scenarios
    dict:flush_all()
    dict:flush_expired()
    dict:set("short", "value", 0.01, 3)
    dict:set("long", "value", 100)
    dict:set("ever", "value")
    out(dict:ttl("ever"))
    out(dict:ttl("long") > 90)
    out(dict:ttl("nosuch"))
    ngx.sleep(0.02)
    out(dict:get_stale("short"))
    out(dict:get("short"))
    out(dict:get_stale("short"))
    out(dict:get_stale("long"))
    out(dict:get_stale("nosuch"))
    out(dict:expire("nosuch", 1))
    out(dict:expire("long", 0))
    out(dict:ttl("long"))
    out(dict:add("short", "again"))
    out(dict:get("short"))
    local keys = dict:get_keys()
    table.sort(keys)
    out(keys[1], keys[2], keys[3], keys[4])
    out(#dict:get_keys(2))
    out(#dict:get_keys(0))
    for i = 1, 9 do dict:set("more" .. i, i) end
    dict:flush_all()
    out(#dict:get_keys(0))
    out(dict:get("ever"))
    out(dict:get_stale("ever"))
    out(dict:flush_expired(1))
    out(dict:flush_expired())
    out(dict:flush_expired())
    out(dict:get_stale("ever"))
  end)

  scenario("lists in shared dictionaries", function(out)
    local dict = ngx.shared.scenarios
    out(dict:llen("l"))
    out(dict:lpop("l"))
    out(dict:rpop("l"))
    out(dict:lpush("l", "b"))
    out(dict:lpush("l", "a"))
    out(dict:rpush("l", 3))
    out(dict:llen("l"))
    out(dict:get("l"))
    out(dict:incr("l", 1))
    out(dict:ttl("l"))
    out(dict:lpop("l"))
    out(dict:rpop("l"))
    out(dict:lpop("l"))
    out(dict:lpop("l"))
    out(dict:llen("l"))
    dict:set("s", "text")
    out(dict:lpush("s", 1))
    out(dict:rpush("s", 1))
    out(dict:lpop("s"))
    out(dict:llen("s"))
    out(dict:lpush("l", true))
    out(dict:lpush("l", nil))
    dict:lpush("l", "x")
    out(dict:set("l", "value"))
    out(dict:get("l"))
    out(dict:lpush("gone", "x"))
    out(dict:expire("gone", 0.01))
    ngx.sleep(0.02)
    out(dict:llen("gone"))
    out(dict:lpop("gone"))
    dict:flush_all()
  end)

  return scenarios
end
