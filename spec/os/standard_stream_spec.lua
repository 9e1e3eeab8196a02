-- arsenal.stdin, stdout, stderr: on pipes, files, terminals, sockets, and closed descriptors.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")

local inside <const> = kit.inside

-- Runs a script; `around` is what a shell runs in its place, with "$@" for the script.
local function run(around, source, options)
  options = options or {}
  options.under = ("%s -c %s sh"):format(options.shell or "sh", child.command(around))
  return child.run_lua(source, options)
end

-- Runs a script to its end, and compares its output.
local function expect(output, around, source, options)
  local result = run(around, source, options)
  assert.equal("", result.err)
  assert.equal(0, result.status)
  assert.equal(output, result.out)
end

-- A command of a shell that waits for a file, which the script makes.
local UNTIL <const> = "until [ -e %s ]; do sleep 0.01; done"

local LINES <const> = "for line in arsenal.stdin:lines() do arsenal.stdout:send('<', line, '>\\n') end"

describe("arsenal.stdin and stdout", function()
  it("are streams on pipes", function()
    expect("<one>\n<two>\n<three>\n", [[printf 'one\ntwo\nthree' | "$@" | cat]], LINES)
  end)

  it("are streams on files, and end where these end", function()
    local dir <close> = temporary.directory()
    local output = dir.path .. "/output"
    expect("", ([["$@" >%s]]):format(output), LINES, { input = "one\ntwo\nthree" })
    assert.equal("<one>\n<two>\n<three>\n", arsenal.fs.read(output))
    expect("", ([["$@" >>%s]]):format(output), LINES, { input = "four\n" })
    assert.equal("<one>\n<two>\n<three>\n<four>\n", arsenal.fs.read(output))
  end)

  it("move much data byte for byte, in one piece of code for pipes and files", function()
    local dir <close> = temporary.directory()
    local input, output = dir.path .. "/input", dir.path .. "/output"
    local data = kit.random_bytes(kit.bytes(3 << 20), 3)
    assert(arsenal.fs.write(input, data))
    for _, around in ipairs { [[cat %s | "$@" | cat >%s]], [["$@" <%s >%s]], [["$@" <%s | cat >%s]] } do
      expect("", around:format(input, output),
        "arsenal.run(function() arsenal.check(arsenal.copy(arsenal.stdin, arsenal.stdout)) end)")
      kit.same_bytes(data, arsenal.fs.read(output))
    end
  end)

  it("are made once, and have names", function()
    local result = run([["$@"]], [[
      io.stderr:write(tostring(arsenal.stdin), "\n", tostring(arsenal.stdout), "\n", tostring(arsenal.stderr), "\n")
      assert(arsenal.stdin == arsenal.stdin and rawget(arsenal, "stdin"))
      assert(arsenal.stdin:remote_address() == nil)
      arsenal.stderr:send("sent")]])
    assert.equal("standard stream stdin\nstandard stream stdout\nstandard stream stderr\nsent", result.err)
    assert.equal(0, result.status)
  end)

  it("wait while other tasks run, and are cases for select", function()
    local dir <close> = temporary.directory()
    local ticked = dir.path .. "/ticked"
    expect("ticked\nstdin\tgo\n", ('(%s; printf go) | "$@"'):format(UNTIL:format(ticked)), ([[
      arsenal.run(function()
        arsenal.group(function(group)
          group:go(function()
            arsenal.sleep(0.01)
            print("ticked")
            io.open(%q, "w"):close()
          end)
          local which, data = arsenal.select { arsenal.event(), arsenal.stdin }
          print(which == arsenal.stdin and "stdin", data)
        end)
      end)]]):format(ticked))
  end)

  it("make a sender wait for a reader that is slow", function()
    local dir <close> = temporary.directory()
    local ticked = dir.path .. "/ticked"
    expect("1000000 ok\n", ([["$@" | (%s; wc -c | tr -d '\n'; echo ' ok')]]):format(UNTIL:format(ticked)), ([[
      arsenal.run(function()
        local has_ended = false
        local ticking = arsenal.go(function()
          for _ = 1, 3 do arsenal.sleep(0.01) end
          assert(not has_ended, "the sender has not waited")
          io.open(%q, "w"):close()
        end)
        assert(arsenal.stdout:send(("x"):rep(1000000)))
        has_ended = true
        ticking:join()
      end)]]):format(ticked))
  end)

  it("tell of a reader that has gone", function()
    local result = run([["$@" | true]], [[
      arsenal.run(function()
        local ok, code
        repeat ok, _, code = arsenal.stdout:send("x") arsenal.sleep(0.001) until not ok
        io.stderr:write(code)
      end)]])
    assert.equal("EPIPE", result.err)
  end)

  it("are /dev/null where the descriptor is closed", function()
    local result = run([["$@" <&- >&-]], [[
      local at_end = arsenal.stdin:recv() == nil
      io.stderr:write(tostring(at_end), " ", arsenal.stdout:send("abc"))]])
    assert.equal("true 3", result.err)
  end)

  it("tell of a full device", function()
    local result = run([["$@" >/dev/full]], "io.stderr:write((select(3, arsenal.stdout:send('abc'))))")
    assert.equal("ENOSPC", result.err)
  end)

  it("end for the reader after shutdown and close", function()
    local dir <close> = temporary.directory()
    local ended = dir.path .. "/ended"
    expect("ab\n", ([["$@" | (cat; touch %s)]]):format(ended), ([[
      arsenal.stdout:send("ab\n")
      arsenal.stdout:shutdown()
      assert(select(3, arsenal.stdout:send("c")) == "EPIPE")
      arsenal.stdout:close()
      while not arsenal.fs.stat(%q) do arsenal.sleep(0.001) end]]):format(ended))
  end)

  it("leave the descriptors to Lua's library when they are closed", function()
    expect("ab\n", [["$@"]], [[arsenal.stdout:send("a") arsenal.stdout:close() io.write("b\n")]])
  end)
end)

-- The flags of descriptor `fd` in an open process: whether reads and writes of it are non-blocking.
local IS_NONBLOCKING <const> = [[
  local function is_nonblocking(fd)
    local text = io.open("/proc/self/fdinfo/" .. fd):read("a")
    return tonumber(text:match("flags:%s*(%d+)"), 8) & 2048 ~= 0
  end
]]

describe("the descriptor of a standard stream", function()
  it("stays blocking for others on a pipe", function()
    expect("false\nfalse\n", [[printf 'x\n' | ("$@"; "$@") | cat]], IS_NONBLOCKING .. [[
      arsenal.stdin:recv()
      arsenal.stdout:send(tostring(is_nonblocking(0) or is_nonblocking(1)), "\n")]])
  end)

  child.it_with("bash")("is put back on a socket that others share, also by os.exit", inside(function()
    for _, ending in ipairs { "", "os.exit(0)", "os.exit(0, true)", "arsenal.stdin:close()" } do
      local listener <close> = kit.listen()
      local running <close> = child.lua(IS_NONBLOCKING .. [[
        arsenal.stdin:send("hello")
        assert(is_nonblocking(0))
        assert(arsenal.stdin:recv_line() == "bye")
        ]] .. ending, {
        under = ([[bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; "$@" <&3
          grep -q "flags:.*04...$" /proc/$$/fdinfo/3 && echo left || echo restored' bash]])
          :format(kit.port_of(listener)),
      })
      local peer <close> = assert(listener:accept())
      kit.expect(peer, "hello")
      peer:send("bye\n")
      local result = running:finish()
      assert.equal("restored\n", result.out, result.err)
    end
  end))

  -- Its input does not end before the script, because script(1) passes the end on.
  child.it_with("script", "stty")("is a terminal that stays as it was", function()
    local dir <close> = temporary.directory()
    local ended = dir.path .. "/ended"
    local source = IS_NONBLOCKING .. ([[
      arsenal.run(function()
        local line = arsenal.stdin:recv_line()
        arsenal.stdout:send("got ", line, "\n")
        arsenal.stdout:send(tostring(is_nonblocking(0) or is_nonblocking(1)), "\n")
        local select_works = arsenal.select({ arsenal.stdin }, 0) == nil
        arsenal.stdout:send(tostring(select_works), " ", tostring(arsenal.stdin:fd() > 2), "\n")
        io.open(%q, "w"):close()
        os.exit(0)
      end)]]):format(ended)
    local result = child.run_lua(source, {
      under = ([[sh -c 'echo "stty -g; $*; stty -g" >%s/command
        (cat; %s) | script -qefc "sh %s/command" /dev/null' sh]]):format(dir.path, UNTIL:format(ended), dir.path),
      input = "typed\n",
    })
    local settings = result.out:gmatch("%x+:[%x:]+")
    local before, after = settings(), settings()
    assert.equal(before, assert(after, result.out))
    assert.truthy(result.out:find("got typed", 1, true), result.out .. result.err)
    assert.truthy(result.out:find("false", 1, true))
    assert.truthy(result.out:find("true true", 1, true))
  end)
end)
