-- What stands beside cosockets in arsenal.ngx.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local drivers = require("spec.kit.ngx")
local kit = require("spec.kit")
local ngx = require("arsenal.ngx")

local inside, outside <const> = drivers.inside, kit.outside

describe("arsenal.ngx", function()
  it("encodes", outside(function()
    for text, encoded in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", ["\0\255"] = "AP8=" } do
      assert.equal(encoded, ngx.encode_base64(text))
      assert.equal(text, ngx.decode_base64(encoded))
    end
    assert.equal("Zg", ngx.encode_base64("f", true))
    assert.is_nil(ngx.decode_base64("!"))
    assert.equal("a%20b%2F%C3%A9~", ngx.escape_uri("a b/é~"))
    assert.equal("a b/é", ngx.unescape_uri("a+b%2F%c3%a9"))
    assert.same({ a = { "1", true }, b = "x y" }, (ngx.decode_args("a=1&b=x%20y&a")))
    assert.equal("k=1&k=a%26b", ngx.encode_args { k = { 1, "a&b" } })
    assert.equal(907060870, ngx.crc32_long("hello"))
  end))

  it("digests", outside(function()
    assert.equal("9dd4e461268c8034f5c8564e155c67a6", ngx.md5("x"))
    assert.equal("qvTGHdzF6KLavt4PO0gs2a6pQ00=", ngx.encode_base64(ngx.sha1_bin("hello")))
    assert.equal("s0zqxFFv8joUPmHXnQ+npPvl8mY=", ngx.encode_base64(ngx.hmac_sha1("key", "hello")))
    local sha256 = drivers.require("resty.sha256"):new()
    sha256:update("hel")
    sha256:update("lo")
    assert.equal("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
      drivers.require("resty.string").to_hex(sha256:final()))
    assert.equal(2000, #drivers.require("resty.random").bytes(2000))
  end))

  it("has times", outside(function()
    assert(math.abs(ngx.now() - os.time()) < 2)
    assert.equal("Fri, 13 Feb 2009 23:31:30 GMT", ngx.http_time(1234567890))
    assert.equal(1234567890, ngx.parse_http_time("Fri, 13 Feb 2009 23:31:30 GMT"))
    assert.equal("Fri, 13-Feb-09 23:31:30 GMT", ngx.cookie_time(1234567890))
  end))

  it("matches regular expressions", outside(function()
    local match = ngx.re.match
    assert.same({ [0] = "ws://host:80/x", "ws", "host", "80", "/x" },
      match("ws://host:80/x", [[^(wss?)://([^:/]+)(?::(\d+))?(.*)]], "jo"))
    assert.same({ [0] = "b", false, "b" }, match("b", "(a)|(b)"))
    assert.same({ [0] = "aab" }, match("xaab", "a*?b"))
    assert.same({ [0] = "AbC" }, match("AbC", "abc", "i"))
    assert.same({ [0] = "abab", "ab" }, match("ababa", "(ab){2}"))
    assert.is_nil(match("ab\n", [[^ab\z]]))
    assert.same({ 3, 4 }, { ngx.re.find("a bc", [[\b\w{2}$]]) })
    assert.equal("4.3.2.1", (ngx.re.sub("1.2.3.4", [[(\d)\.(\d)\.(\d)\.(\d)]], "$4.$3.$2.${1}")))
    assert.same({ "x-y-", 2 }, { ngx.re.gsub("x,y,", ",", "-") })
    for pattern, words in pairs { ["(?<=a)b"] = "unsupported group", ["a++"] = "possessive", ["\\p{L}"] = "escape" } do
      local captures, wrong = match("x", pattern)
      assert.is_nil(captures)
      assert.matches(words, wrong)
    end
  end))

  it("gives up expressions that are too expensive", outside(function()
    local settings = require("arsenal.ngx.settings")
    local limit = settings.regex_match_limit
    local _ <close> = kit.on_close(function() settings.regex_match_limit = limit end)
    settings.regex_match_limit = 1000
    local text, pattern = ("a"):rep(40) .. "c", "^(?:a+)+b"
    assert.same({ nil, "pcre_exec() failed: -8" }, { ngx.re.match(text, pattern) })
    assert.same({ nil, nil, "pcre_exec() failed: -8" }, { ngx.re.find(text, pattern) })
    assert.same({ nil, nil, "pcre_exec() failed: -8" }, { ngx.re.gsub(text, pattern, "") })
    assert.same({ nil, "pcre_exec() failed: -8" }, { ngx.re.gmatch(text, pattern)() })
    assert.same({}, { ngx.re.match(("a"):rep(100), "a*?b$") }) -- the steps are counted from each place anew
  end))

  it("has LuaJIT's operations on bits and its tables", outside(function()
    local bit = drivers.require("bit")
    assert.same({ -1, 1, -2147483648, 0xff, -1 },
      { bit.bnot(0), bit.rshift(-1, 31), bit.lshift(1, 31), bit.band(-1, 0xff), bit.arshift(-2, 1) })
    assert.equal("0000ffff", bit.tohex(0xffff))
    assert.equal(0x78563412, bit.bswap(0x12345678))
    assert.equal(18, bit.band(bit.rshift(drivers.require("ffi").new("int64_t", 0x12 << 56), 56), 0xff))
    local list = { 1, 2, a = 3 }
    assert.equal(3, drivers.require("table.nkeys")(list))
    drivers.require("table.clear")(list)
    assert.is_true(drivers.require("table.isempty")(list))
  end))

  it("logs what is important enough", outside(function()
    local settings, lines = require("arsenal.ngx.settings"), {}
    settings.log = function(level, text) lines[#lines + 1] = level .. " " .. text end
    ngx.log(ngx.ERR, "a", 1, nil, true)
    ngx.log(ngx.INFO, "not this")
    settings.log = nil
    assert.same({ "4 a1niltrue" }, lines)
  end))
end)

describe("ngx.semaphore", function()
  it("gives resources to tasks in their order", inside(function()
    local semaphore = drivers.require("ngx.semaphore").new(1)
    assert.is_true(semaphore:wait(0))
    assert.same({ false, "timeout" }, { semaphore:wait(0.01) })
    assert.same({ nil, "timeout" }, { semaphore:wait(0) })
    local first = kit.waiting(semaphore.wait, semaphore, 10)
    local second = kit.waiting(semaphore.wait, semaphore, 10)
    assert.equal(-2, semaphore:count())
    first:cancel()
    semaphore:post() -- the first is still in the line, and passes its turn on
    kit.fails("CANCELLED", first:join())
    assert.is_true(second:join())
    semaphore:post(2)
    assert.equal(2, semaphore:count())
  end))
end)

describe("ngx.thread", function()
  it("waits for the first of several threads", inside(function()
    local slow = ngx.thread.spawn(function() arsenal.sleep() end)
    local quick = ngx.thread.spawn(function(a) return a, "done" end, 1)
    assert.same({ true, 1, "done" }, { ngx.thread.wait(slow, quick) })
    assert.same({ nil, "already waited or killed" }, { ngx.thread.wait(quick) })
    assert.equal(1, ngx.thread.kill(slow))
    assert.same({ nil, "already waited or killed" }, { ngx.thread.kill(slow) })
  end))
end)

describe("ngx.timer", function()
  it("calls functions later, and logs their errors", inside(function()
    local settings, logged, called = require("arsenal.ngx.settings"), {}, arsenal.channel()
    settings.log = function(_, text) logged[#logged + 1] = text end
    assert.equal(1, ngx.timer.at(0, function(premature, value) called:send { premature, value } end, "now"))
    assert.same({ false, "now" }, called:recv())
    assert.equal(1, ngx.timer.at(0.001, function() called:send("later") end))
    assert.equal("later", called:recv())
    ngx.timer.at(0, function() error("oops") end)
    kit.turn_until(function() return logged[1] end)
    settings.log = nil
    assert.matches("runtime error: .*oops", logged[1])
    kit.mistake("delay zero", ngx.timer.every, 0, print)
  end))

  it("calls what is pending at the program's end at once", outside(function()
    local result = child.run_lua([[
      local ngx = require("arsenal.ngx")
      arsenal.run(function()
        ngx.timer.at(3600, function(premature) print("at", premature, ngx.timer.at(1, print)) end)
        ngx.timer.every(3600, function(premature) print("every", premature) end)
        local listener = arsenal.tcp.listen("127.0.0.1", 0)
        local socket = ngx.socket.connect("127.0.0.1", select(2, listener:local_address()))
        socket:setkeepalive()
        listener:close()
      end)
      print("streams", arsenal.stats().handles.stream or 0)
    ]])
    assert.equal("", result.err)
    assert.truthy(result.out:find("at\ttrue\tnil\tprocess exiting\n", 1, true), result.out)
    assert.truthy(result.out:find("every\ttrue\n", 1, true), result.out)
  end))

  for name, ending in pairs { ["is stopped"] = "arsenal.stop()", ["fails"] = "error('failed', 0)" } do
    it(("calls what has just been made when the program %s, and closes idle connections"):format(name),
      outside(function()
        local result = child.run_lua(([[
          local ngx = require("arsenal.ngx")
          local listener = arsenal.tcp.listen("127.0.0.1", 0)
          local function make_all()
            local socket = ngx.socket.tcp()
            socket:connect("127.0.0.1", select(2, listener:local_address()))
            ngx.timer.at(3600, function(premature) print("at", premature) end)
            ngx.timer.every(3600, function(premature) print("every", premature) end)
            ngx.timer.at(0, function(premature) print("at once", premature) end)
            socket:setkeepalive()
            %s
          end
          for _ = 1, 2 do
            pcall(arsenal.run, make_all)
            print(ngx.timer.pending_count(), arsenal.stats().handles["tcp stream"] or 0)
          end
        ]]):format(ending))
        assert.equal("", result.err)
        assert.equal(("at\ttrue\nevery\ttrue\nat once\ttrue\n0\t0\n"):rep(2), result.out)
      end))
  end

  it("makes none while the program is ending", outside(function()
    local result = child.run_lua([[
      local ngx = require("arsenal.ngx")
      arsenal.run(function()
        local _ <close> = setmetatable({}, {
          __close = function() print(ngx.timer.at(0, print), ngx.timer.at(1, print)) end,
        })
        arsenal.stop()
        arsenal.yield()
      end)
      print(ngx.timer.pending_count())
    ]])
    assert.equal("", result.err)
    assert.equal("nil\tnil\tprocess exiting\n0\n", result.out)
  end))

  -- As nginx 1.22 does.
  it("calls timers without a delay that are made at the program's end", outside(function()
    local result = child.run_lua([[
      local ngx = require("arsenal.ngx")
      local function second(premature, value)
        print("second", premature, value, ngx.worker.exiting())
        ngx.timer.at(0, function(late)
          ngx.sleep(0.01)
          print("third", late)
        end)
      end
      arsenal.run(function()
        ngx.timer.at(3600, function(premature)
          print("first", premature, ngx.timer.at(0, second, "value"))
          print("first has ended")
        end)
      end)
      print("over", ngx.worker.exiting(), ngx.timer.running_count(), ngx.timer.pending_count())
    ]])
    assert.equal("", result.err)
    assert.equal(table.concat({
      "first\ttrue\t1", "first has ended", "second\tfalse\tvalue\ttrue", "third\tfalse", "over\tfalse\t0\t0", "",
    }, "\n"), result.out)
  end))
end)
