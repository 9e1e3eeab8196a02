-- The file object: the methods and formats of Lua's files, and what arsenal's have besides.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")

local inside <const> = temporary.inside
local fs <const> = arsenal.fs

-- The results of file:read(...) on a file with this text, with their number.
local function read_of(path, text, ...)
  assert(fs.write(path, text))
  local file <close> = assert(fs.open(path))
  return table.pack(file:read(...))
end

local function same(expected, got)
  assert.same(table.pack(table.unpack(expected, 1, expected.n or #expected)), got)
end

describe("a file", function()
  it("opens with the modes of io.open", inside(function(dir)
    local path = dir .. "/modes"
    kit.fails("ENOENT", fs.open(path))
    kit.fails("ENOENT", fs.open(path, "r+"))
    for _, mode in ipairs { "w", "wb", "a", "ab", "r", "rb", "r+", "r+b", "w+", "w+b", "a+", "a+b" } do
      local file = assert(fs.open(path, mode))
      assert.equal("file " .. path, tostring(file))
      assert.is_true(file:close())
    end
    for _, mode in ipairs { "", "rw", "rb+", "r++", "+", "x", "rbb", " r" } do
      kit.mistake("invalid mode", fs.open, path, mode)
    end
    kit.mistake("string expected", fs.open, 1)
    kit.mistake("string expected", fs.open, path, 1)
  end))

  it("keeps, empties or extends what is there, as the mode says", inside(function(dir)
    local path = dir .. "/modes"
    local function write_as(mode, text)
      local file <close> = assert(fs.open(path, mode))
      assert(file:write(text))
    end
    write_as("w", "12345")
    write_as("r+", "ab")
    assert.equal("ab345", fs.read(path))
    write_as("a", "6")
    write_as("a+", "7")
    assert.equal("ab34567", fs.read(path))
    write_as("w+", "x")
    assert.equal("x", fs.read(path))
  end))

  it("tells EBADF for the direction that the mode lacks", inside(function(dir)
    local path = dir .. "/file"
    local writer <close> = assert(fs.open(path, "w"))
    kit.fails("EBADF", writer:read())
    assert.equal(writer, writer:write("x"))
    local reader <close> = assert(fs.open(path))
    kit.fails("EBADF", reader:write("x"))
    assert.equal(reader, reader:flush())
  end))

  it("reads lines with and without their ends", inside(function(dir)
    local path = dir .. "/lines"
    same({ "one" }, read_of(path, "one\ntwo\n"))
    same({ "one", "two\n", "", "\n", "three", n = 6 },
      read_of(path, "one\ntwo\n\n\nthree", "l", "L", "l", "L", "L", "l"))
    same({ "a\r" }, read_of(path, "a\r\nb", "*l"))
    same({ "a\0b" }, read_of(path, "a\0b\nc", "l"))
    same({ n = 1 }, read_of(path, "", "l"))
    same({ n = 1 }, read_of(path, "", "L"))
  end))

  it("reads counts of bytes, and tells the end with 0", inside(function(dir)
    local path = dir .. "/counts"
    same({ "", "ab", "c", n = 4 }, read_of(path, "abc", 0, 2, 5, 0))
    same({ n = 1 }, read_of(path, "", 0, 1))
    same({ n = 1 }, read_of(path, "", 3))
  end))

  it("reads all, which never fails", inside(function(dir)
    local path = dir .. "/all"
    same({ "abc", "", "" }, read_of(path, "abc", "a", "a", "*a"))
    same({ "", n = 2 }, read_of(path, "", "a", "l", "a"))
    local data = kit.random_bytes(1 << 20, 7)
    kit.same_bytes(data, read_of(path, data, "a")[1])
  end))

  it("reads numbers as Lua's files do", inside(function(dir)
    local path = dir .. "/numbers"
    same({ 1, -2, 3.5, 255, 1e10, -0x1p4, .5 }, read_of(path, " 1\n-2\t+3.5 0xff 1e10 -0x1p4 .5",
      "n", "n", "n", "n", "n", "n", "n"))
    assert.equal("integer", math.type(read_of(path, "12", "n")[1]))
    same({ 12, ",", 3, "x" }, read_of(path, "12,3x", "n", 1, "n", 1))
    for _, text in ipairs { "", "x", "-", "+x", ".", "0x", "0xg", "1e", "1e+", "e1", "--1", "0x.p1", "nan", "inf" } do
      same({ n = 1 }, read_of(path, text, "n", "a"))
    end
    same({ n = 1 }, read_of(path, ("1"):rep(201), "n"))
    assert.equal(tonumber(("1"):rep(200)), read_of(path, ("1"):rep(200), "n")[1])
    assert.equal(5, read_of(path, (" \n"):rep(70000) .. "5", "n")[1])
  end))

  it("leaves what follows a failed number where Lua's files do", inside(function(dir)
    local path = dir .. "/numbers"
    for _, text in ipairs { "  -x1", "0xz", "1e+z", "..5", "12e", "\n\nab", ("9"):rep(210) } do
      assert(fs.write(path, text))
      local ours <close> = assert(fs.open(path))
      local theirs <close> = assert(io.open(path))
      assert.equal(theirs:read("n"), ours:read("n"))
      assert.equal(theirs:read("a"), ours:read("a"))
    end
  end))

  it("reads at each place where its buffer may end", inside(function(dir)
    local path = dir .. "/places"
    for length = 65530, 65540 do
      same({ ("x"):rep(length), 42, "\n", "rest", n = 5 },
        read_of(path, ("x"):rep(length) .. "\n42\nrest", "l", "n", 1, "a", "l"))
    end
  end))

  it("refuses formats that are none, before it reads", inside(function(dir)
    local path = dir .. "/formats"
    assert(fs.write(path, "text"))
    local file <close> = assert(fs.open(path))
    for _, format in ipairs { "x", "", "*", "*z", "e" } do
      kit.mistake("invalid format", file.read, file, "l", format)
    end
    kit.mistake("range", file.read, file, -1)
    kit.mistake("integer", file.read, file, 1.5)
    kit.mistake("format", file.read, file, {})
    kit.mistake("format", file.lines, file, "l", false)
    assert.equal("text", file:read())
  end))

  it("iterates over lines and other formats", inside(function(dir)
    local path, got = dir .. "/lines", {}
    assert(fs.write(path, "1 a\n2 b\n3"))
    local file <close> = assert(fs.open(path))
    for line in file:lines() do got[#got + 1] = line end
    assert.same({ "1 a", "2 b", "3" }, got)
    assert(file:seek("set"))
    got = {}
    for number, rest in file:lines("n", "L") do got[#got + 1] = { number, rest } end
    assert.same({ { 1, " a\n" }, { 2, " b\n" }, { 3 } }, got)
    assert(file:seek("set"))
    got = {}
    for piece in file:lines(4) do got[#got + 1] = piece end
    assert.same({ "1 a\n", "2 b\n", "3" }, got)
  end))

  it("raises what fails in an iteration", inside(function(dir)
    local file = assert(fs.open(dir .. "/file", "w"))
    local next_line = file:lines()
    local ok, err = pcall(next_line)
    assert.is_false(ok)
    assert.equal("EBADF", err.code)
    assert.equal(file, err.object)
    file:close()
    assert.equal("CLOSED", select(2, pcall(next_line)).code)
    kit.fails("CLOSED", file:lines())
  end))

  it("writes strings and numbers, and returns itself", inside(function(dir)
    local path = dir .. "/file"
    local file <close> = assert(fs.open(path, "w+"))
    assert.equal(file, file:write("a", 1, 2.5, "", "\0b"))
    assert.equal(file, file:write())
    for _, value in ipairs { true, {}, print } do
      kit.mistake("string expected", file.write, file, "x", value)
    end
    assert.equal(0, file:seek("set"))
    assert.equal("a12.5\0b", file:read("a"))
  end))

  it("moves its position over what was read ahead and what is to be written", inside(function(dir)
    local file <close> = assert(fs.open(dir .. "/file", "w+"))
    file:write("0123456789")
    assert.equal(10, file:seek())
    assert.equal(2, file:seek("set", 2))
    assert.equal("23", file:read(2))
    assert.equal(4, file:seek("cur"))
    assert.equal(6, file:seek("cur", 2))
    assert.equal("6", file:read(1))
    assert(file:write("ab"))
    assert.equal("9", file:read(1))
    assert.equal(8, file:seek("end", -2))
    assert.equal("b9", file:read("a"))
    assert.equal(0, file:seek("set"))
    assert.equal("0123456ab9", file:read("a"))
    kit.fails("EINVAL", file:seek("set", -1))
    assert.equal(10, file:seek())
    assert.equal(20, file:seek("set", 20))
    file:write("z")
    assert.equal(21, file:seek("end"))
    kit.mistake("invalid option", file.seek, file, "middle")
    kit.mistake("number", file.seek, file, "set", "x")
  end))

  it("appends wherever its position is", inside(function(dir)
    local path = dir .. "/file"
    assert(fs.write(path, "abc"))
    local file <close> = assert(fs.open(path, "a+"))
    assert.equal("abc", file:read("a"))
    assert(file:seek("set"))
    assert.equal("a", file:read(1))
    assert(file:write("d"))
    assert(file:seek("set"))
    assert.equal("abcd", file:read("a"))
  end))

  it("gives what was written to the system when setvbuf says", inside(function(dir)
    local path = dir .. "/file"
    local file <close> = assert(fs.open(path, "w"))
    local function has(text) assert.equal(text, fs.read(path)) end
    file:write("a\n")
    has("")
    assert.equal(file, file:flush())
    has("a\n")
    assert.is_true(file:setvbuf("no"))
    file:write("b")
    has("a\nb")
    file:setvbuf("line")
    file:write("c")
    has("a\nb")
    file:write("d\ne")
    has("a\nbcd\ne")
    file:setvbuf("full", 3)
    file:write("12")
    has("a\nbcd\ne")
    file:write("3")
    has("a\nbcd\ne123")
    kit.mistake("invalid option", file.setvbuf, file, "some")
    kit.mistake("range", file.setvbuf, file, "full", -1)
  end))

  it("writes long strings byte for byte", inside(function(dir)
    local path = dir .. "/file"
    local data = kit.random_bytes(3 << 20, 11)
    local file <close> = assert(fs.open(path, "w"))
    assert(file:write("x", data, "y"))
    assert(file:close())
    kit.same_bytes("x" .. data .. "y", fs.read(path))
  end))

  it("is cut and extended", inside(function(dir)
    local file <close> = assert(fs.open(dir .. "/file", "w+"))
    file:write("abcdef")
    assert.is_true(file:truncate(3))
    assert.equal(3, file:stat().size)
    assert.is_true(file:truncate(5))
    file:seek("set")
    assert.equal("abc\0\0", file:read("a"))
    kit.mistake("range", file.truncate, file, -1)
    assert.is_true(file:sync())
  end))

  it("may be larger than 4 GiB", inside(function(dir)
    local path = dir .. "/file"
    local size <const> = (5 << 30) + 3 -- a hole, which needs no room on the disk
    local file <close> = assert(fs.open(path, "w+"))
    assert.is_true(file:truncate(size))
    assert.equal(size, file:seek("end"))
    assert(file:write("end"))
    assert(file:flush())
    assert.equal(size + 3, file:stat().size)
    assert.equal(size + 3, fs.stat(path).size)
    assert.equal(size - 1, file:seek("set", size - 1))
    assert.equal("\0end", file:read("a"))
    kit.with_pair(function(a, b)
      assert.equal(3, a:send_file(path, size))
      kit.expect(b, "end")
    end)
  end))

  it("locks against other opens of the same file", inside(function(dir)
    local path = dir .. "/file"
    local first <close> = assert(fs.open(path, "w"))
    local second <close> = assert(fs.open(path, "r+"))
    assert.is_true(first:lock())
    kit.fails("EAGAIN", second:try_lock())
    kit.fails("EAGAIN", second:try_lock("shared"))
    local waiting = kit.waiting(second.lock, second)
    kit.fails("TIMEOUT", arsenal.timeout(0.02, waiting.join, waiting))
    assert.is_true(first:unlock())
    assert.is_true(waiting:join())
    second:unlock()
    assert.is_true(first:lock("shared"))
    assert.is_true(second:try_lock("shared"))
    first:close()
    kit.mistake("shared", second.lock, second, "mine")
  end))

  -- A thread has the lock before the call returns.
  it("keeps no lock for a call that is cancelled, at whatever moment", inside(function(dir)
    local path = dir .. "/file"
    local first <close> = assert(fs.open(path, "w"))
    local second <close> = assert(fs.open(path, "r+"))
    for i = 1, kit.count(200) do
      local task = arsenal.go(first.lock, first)
      for _ = 1, i % 8 * 4 do arsenal.yield() end
      task:cancel()
      local locked = task:join()
      if not locked then
        first:seek() -- after the thread
        assert.is_true(second:try_lock())
        second:unlock()
      end
      first:unlock()
    end
  end))

  it("makes the calls of several tasks in order", inside(function(dir)
    local path = dir .. "/file"
    local file <close> = assert(fs.open(path, "w+"))
    file:setvbuf("no")
    arsenal.group(function(group)
      for i = 1, 50 do group:go(function() assert(file:write(("%02d"):format(i):rep(100), "\n")) end) end
    end)
    file:seek("set")
    local next_number = 1
    for line in file:lines() do
      assert.equal(("%02d"):format(next_number):rep(100), line)
      next_number = next_number + 1
    end
    assert.equal(51, next_number)
  end))

  it("ends the calls of others with CLOSED when it is closed", inside(function(dir)
    local fifo = temporary.fifo(dir)
    local file = assert(fs.open(fifo, "r+"))
    local reading, second = kit.waiting(file.read, file), kit.waiting(file.read, file)
    assert.is_true(file:close())
    kit.fails("CLOSED", reading:join())
    kit.fails("CLOSED", second:join())
    for _, name in ipairs { "read", "write", "seek", "flush", "sync", "stat", "lock" } do
      kit.fails("CLOSED", file[name](file))
    end
    kit.fails("CLOSED", file:setvbuf("no"))
    assert.is_true(file:close())
    assert.equal("file (closed)", tostring(file))
    temporary.release(fifo)
  end))

  it("keeps what a cancelled read has read", inside(function(dir)
    local fifo = temporary.fifo(dir)
    local file <close> = assert(fs.open(fifo, "r+"))
    local reading = kit.waiting(file.read, file, 3)
    reading:cancel()
    kit.fails("CANCELLED", reading:join())
    local after = kit.waiting(file.read, file, 5)
    assert(os.execute("printf abcde >" .. fifo))
    assert.equal("abcde", after:join())
  end))

  it("takes nothing off for a call that is cancelled between its values", inside(function(dir)
    local fifo = temporary.fifo(dir)
    local file <close> = assert(fs.open(fifo, "r+"))
    assert(os.execute("printf 'one\\ntwo' >" .. fifo))
    local reading = kit.waiting(file.read, file, "l", "l")
    kit.polls(20) -- by now it may have its first value
    reading:cancel()
    kit.fails("CANCELLED", reading:join())
    local after = kit.waiting(file.read, file, "l", "l")
    assert(os.execute("printf '\\n' >" .. fifo))
    assert.same({ "one", "two" }, { after:join() })
  end))

  it("tells of a full disk", inside(function()
    local file <close> = assert(fs.open("/dev/full", "w"))
    file:write("x")
    kit.fails("ENOSPC", file:flush())
    file:write("y")
    kit.fails("ENOSPC", file:close())
  end))

  it("refuses a directory", inside(function(dir)
    kit.fails("EISDIR", fs.open(dir))
    kit.fails("EISDIR", fs.open(dir, "w"))
  end))

  it("works in a generator, and outside of tasks", function()
    local dir <close> = temporary.directory()
    local file = assert(fs.open(dir.path .. "/file", "w+"))
    file:write("1\n2\n3\n")
    file:seek("set")
    local lines = arsenal.coroutine.wrap(function()
      for line in file:lines() do arsenal.coroutine.yield(line) end
    end)
    assert.same({ "1", "2" }, { lines(), lines() })
    arsenal.run(function() assert.equal("3", lines()) end)
    assert.is_true(file:close())
  end)

  it("writes what is left when it is collected, or the state is closed", function()
    local dir <close> = temporary.directory()
    local path = dir.path .. "/file"
    for _, ending in ipairs { "", "file = nil collectgarbage()", "os.exit(0, true)" } do
      local source <const> = "file = assert(arsenal.fs.open(%q, 'w')) file:write('kept') %s"
      local result = child.run_lua(source:format(path, ending))
      assert.equal("", result.err)
      assert.equal("kept", fs.read(path))
    end
  end)

  it("holds up no exit with a FIFO that nobody writes to", function()
    local dir <close> = temporary.directory()
    local fifo = temporary.fifo(dir.path)
    local result = child.run_lua(([[
      arsenal.run(function()
        print(select(3, arsenal.timeout(0.01, arsenal.fs.open, %q)))
        arsenal.go(function() arsenal.fs.read(%q) end)
        arsenal.yield()
        os.exit(0, true)
      end)]]):format(fifo, fifo))
    assert.equal("TIMEOUT\n", result.out)
    assert.equal(0, result.status)
  end)

  it("waits in line behind other files, and can be cancelled there; names are resolved meanwhile", function()
    local dir <close> = temporary.directory()
    local fifo = temporary.fifo(dir.path)
    local result = child.run_lua(([[
      arsenal.run(function()
        for _ = 1, 16 do arsenal.go(arsenal.fs.open, %q) end
        arsenal.yield()
        print(select(3, arsenal.timeout(0.05, arsenal.fs.write, %q, "x")))
        print(arsenal.dns.resolve("localhost") ~= nil)
        os.exit(0, true)
      end)]]):format(fifo, dir.path .. "/never"))
    assert.equal("TIMEOUT\ntrue\n", result.out)
    kit.fails("ENOENT", fs.stat(dir.path .. "/never"))
  end)
end)
