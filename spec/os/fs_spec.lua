-- arsenal.fs: whole files, what there is, changes of names, and trees.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")

local inside <const> = temporary.inside
local fs <const> = arsenal.fs

local function names_of(path)
  local names = {}
  for name, type in assert(fs.list(path)) do names[#names + 1] = name .. " " .. type end
  return names
end

describe("fs.read and fs.write", function()
  it("read back what was written, of any size", inside(function(dir)
    local path = dir .. "/file"
    for _, size in ipairs { 0, 1, 131071, 131072, 131073, 3 << 20 } do
      local data = kit.random_bytes(size, size)
      assert.is_true(fs.write(path, data))
      kit.same_bytes(data, fs.read(path))
      kit.same_bytes(data, fs.read(path, size))
      if size > 0 then kit.fails("TOOLONG", fs.read(path, size - 1)) end
    end
  end))

  it("make strings that are like all others", inside(function(dir)
    local path, data = dir .. "/file", ("0123456789"):rep(50000)
    assert(fs.write(path, data))
    local read = assert(fs.read(path))
    collectgarbage()
    local set = { [data] = true }
    assert.is_true(set[read])
    kit.same_bytes(data .. "x", read .. "x")
    assert.equal("9", read:sub(-1))
    kit.same_bytes(data:reverse(), read:reverse())
  end))

  it("read files whose size the system does not tell", inside(function()
    assert.equal(io.open("/proc/self/stat"):read("a"):match("^%d+"), fs.read("/proc/self/stat"):match("^%d+"))
  end))

  it("append, and give new files the permissions asked for", inside(function(dir)
    local path = dir .. "/file"
    assert(fs.write(path, "a", { mode = "600", append = true }))
    assert(fs.write(path, "b", { append = true, mode = 511 }))
    assert.equal("ab", fs.read(path))
    assert.equal(384, fs.stat(path).mode)
  end))

  it("replace a file atomically, with its permissions, through a link", inside(function(dir)
    local path, link = dir .. "/file", dir .. "/link"
    assert(fs.write(path, "old", { mode = "640" }))
    assert(fs.symlink("file", link))
    local before = fs.stat(path).inode
    assert.is_true(fs.write(link, "new", { atomic = true, mode = "600" }))
    assert.equal("new", fs.read(path))
    assert.equal("link", fs.lstat(link).type)
    local after = fs.stat(path)
    assert.equal(416, after.mode)
    assert.is_true(after.inode ~= before)
    assert.is_true(fs.write(dir .. "/fresh", "x", { atomic = true, mode = "600" }))
    assert.equal(384, fs.stat(dir .. "/fresh").mode)
    assert.same({ "file file", "fresh file", "link link" }, names_of(dir))
  end))

  it("leave nothing behind when an atomic write fails", inside(function(dir)
    assert(fs.mkdir(dir .. "/sub"))
    kit.fails("EISDIR", fs.write(dir .. "/sub", "x", { atomic = true }))
    kit.fails("ENOENT", fs.write(dir .. "/none/file", "x", { atomic = true }))
    assert.same({ "sub directory" }, names_of(dir))
  end))

  it("tell of a full disk", inside(function()
    kit.fails("ENOSPC", fs.write("/dev/full", "x"))
  end))

  it("tell of a limit on sizes, and keep the old file then", function()
    local dir <close> = temporary.directory()
    local path = dir.path .. "/file"
    assert(fs.write(path, "old"))
    local result = child.run_lua(([[
      local ignored <close> = arsenal.signal("SIGXFSZ")
      print(select(3, arsenal.fs.write(%q, ("x"):rep(1 << 20), { atomic = true })))]]):format(path),
      { before = "ulimit -f 8;" })
    assert.equal("EFBIG\n", result.out, result.err)
    assert.equal("old", fs.read(path))
    assert.same({ "file file" }, names_of(dir.path))
  end)

  it("may be cancelled at any time, and harm neither string nor file object", inside(function(dir)
    local path, data, before = dir .. "/file", ("x"):rep(2 << 20), #kit.descriptor_list()
    assert(fs.write(path, data))
    for i = 0, 20 do
      local reading, writing = arsenal.go(fs.read, path), arsenal.go(fs.write, path, data .. i, { atomic = true })
      kit.polls(i)
      reading:cancel()
      writing:cancel()
      reading:join()
      writing:join()
      collectgarbage()
    end
    local text = assert(fs.read(path))
    kit.same_bytes(data, text:sub(1, #data))
    kit.turn_until(function() return #names_of(dir) == 1 and #kit.descriptor_list() <= before end) -- threads go on
  end))

  it("let tickers run beside a long file", inside(function(dir)
    local path = dir .. "/file"
    assert(fs.write(path, ("x"):rep(kit.bytes(50 << 20))))
    local turns = kit.turns_beside(function() assert(fs.read(path)) end)
    assert.is_true(turns > 3)
  end))

  it("refuse wrong arguments before any effect", inside(function(dir)
    local path = dir .. "/file"
    kit.mistake("string expected", fs.read, 1)
    kit.mistake("size expected", fs.read, path, -1)
    kit.mistake("size expected", fs.read, path, 1.5)
    kit.mistake("string expected", fs.write, path, 1)
    kit.mistake("atomic append", fs.write, path, "x", { atomic = true, append = true })
    kit.mistake("unknown option", fs.write, path, "x", { sync = true })
    kit.mistake("octal", fs.write, path, "x", { mode = "9" })
    kit.fails("ENOENT", fs.stat(path))
  end))
end)

describe("fs", function()
  it("has clear codes for bad paths", inside(function(dir)
    local file = dir .. "/file"
    assert(fs.write(file, "x"))
    local names = { "open", "read", "stat", "lstat", "list", "walk", "remove", "readlink", "realpath", "watch" }
    for _, name in ipairs(names) do
      local message = kit.fails("EINVAL", fs[name](dir .. "/\0x"))
      assert.truthy(message:find("\\0x", 1, true))
      if name ~= "walk" and name ~= "list" then
        kit.fails("ENAMETOOLONG", fs[name](dir .. "/" .. ("x"):rep(300)))
      end
      kit.fails("ENOENT", fs[name](""))
      kit.fails("ENOENT", fs[name](dir .. "/none"))
      kit.fails("ENOTDIR", fs[name](file .. "/none"))
    end
    kit.fails("EINVAL", fs.rename(file, dir .. "/\0"))
    kit.fails("EINVAL", fs.mkdir("\0"))
    kit.fails("ENOENT", fs.mkdir(""))
    kit.fails("ENOENT", fs.mkdir("", { parents = true }))
    kit.fails("EINVAL", fs.temporary { within = "/\0" })
    kit.fails("ENOTDIR", fs.list(file))
  end))

  -- Without these capabilities, the rights of files bind root, too.
  child.it_with("setpriv")("tells missing rights", function()
    local dir <close> = temporary.directory()
    local file, sub = dir.path .. "/file", dir.path .. "/sub"
    assert(fs.write(file, "x", { mode = "000" }))
    assert(fs.mkdir(sub, { mode = "000" }))
    local is_root = os.execute("test $(id -u) = 0")
    local result = child.run_lua(([[
      local fs = arsenal.fs
      local function try(...) print(select(3, ...)) end
      try(fs.read(%q)) try(fs.write(%q, "x")) try(fs.write(%q, "x")) try(fs.list(%q)) try(fs.watch(%q))]])
      :format(file, file, sub .. "/new", sub, sub),
      { under = is_root and "setpriv --bounding-set=-dac_override,-dac_read_search" or nil })
    assert.equal(("EACCES\n"):rep(5), result.out, result.err)
    assert(fs.chmod(sub, "700"))
  end)

  it("tells what files are", inside(function(dir)
    local path = dir .. "/file"
    assert(fs.write(path, "12345", { mode = "640" }))
    assert(fs.symlink("file", dir .. "/link"))
    assert(fs.link(path, dir .. "/other"))
    local stat, link = assert(fs.stat(dir .. "/link")), assert(fs.lstat(dir .. "/link"))
    assert.equal("file", stat.type)
    assert.equal("link", link.type)
    assert.equal(5, stat.size)
    assert.equal(416, stat.mode)
    assert.equal(2, stat.links)
    assert.equal(fs.stat(dir .. "/other").inode, stat.inode)
    assert.is_true(math.abs(stat.modified - os.time()) < 60)
    assert.equal("directory", fs.stat(dir).type)
    assert.equal("char", fs.stat("/dev/null").type)
    temporary.fifo(dir)
    assert.equal("fifo", fs.stat(dir .. "/fifo").type)
    assert.equal("file", fs.readlink(dir .. "/link"))
    kit.fails("EINVAL", fs.readlink(path))
    assert.equal(fs.realpath(path), fs.realpath(dir .. "/./link"))
  end))

  it("renames, copies, links and changes permissions", inside(function(dir)
    local a, b = dir .. "/a", dir .. "/b"
    assert(fs.write(a, "one", { mode = "700" }))
    assert.is_true(fs.copy(a, b))
    assert.equal("one", fs.read(b))
    assert.equal(448, fs.stat(b).mode)
    assert.is_true(fs.chmod(b, "600"))
    assert.is_true(fs.chmod(b, 420))
    assert.equal(420, fs.stat(b).mode)
    assert.is_true(fs.rename(b, a))
    kit.fails("ENOENT", fs.stat(b))
    kit.fails("ENOENT", fs.rename(b, a))
    kit.fails("ENOENT", fs.copy(b, a))
    kit.fails("EEXIST", fs.link(a, a))
    kit.fails("EEXIST", fs.symlink("x", a))
    assert.equal("rename " .. b .. " to " .. a .. ": no such file or directory", (select(2, fs.rename(b, a))))
    kit.mistake("octal", fs.chmod, a, "rwx")
  end))

  it("lists directories, empty and long ones", inside(function(dir)
    assert.same({}, names_of(dir))
    assert(fs.mkdir(dir .. "/sub"))
    assert(fs.symlink("/", dir .. "/a link"))
    for i = 1, 200 do assert(fs.write(("%s/f%03d"):format(dir, i), "")) end
    local names = names_of(dir)
    assert.equal(202, #names)
    assert.equal("a link link", names[1])
    assert.equal("f001 file", names[2])
    assert.equal("sub directory", names[202])
  end))

  it("walks a tree, and follows no link", inside(function(dir)
    assert(fs.mkdir(dir .. "/a/b", { parents = true }))
    assert(fs.write(dir .. "/a/b/file", ""))
    assert(fs.symlink("..", dir .. "/a/up"))
    local got = {}
    for path, type in assert(fs.walk(dir)) do got[#got + 1] = path:sub(#dir + 2) .. " " .. type end
    assert.same({ "a directory", "a/b directory", "a/b/file file", "a/up link" }, got)
  end))

  it("makes directories, with those above", inside(function(dir)
    local deep = dir .. "/a/b/c"
    kit.fails("ENOENT", fs.mkdir(deep))
    assert.is_true(fs.mkdir(deep, { parents = true }))
    assert.is_true(fs.mkdir(deep, { parents = true }))
    kit.fails("EEXIST", fs.mkdir(deep))
    assert.is_true(fs.mkdir(dir .. "/x", { mode = "700" }))
    assert.equal(448, fs.stat(dir .. "/x").mode)
    assert(fs.write(dir .. "/file", ""))
    kit.fails("ENOTDIR", fs.mkdir(dir .. "/file/x", { parents = true }))
    kit.fails("EEXIST", fs.mkdir(dir .. "/file", { parents = true }))
    assert.is_true(fs.mkdir(dir .. "/t/u/", { parents = true }))
  end))

  it("makes temporary files and directories", inside(function(dir)
    local file, path = assert(fs.temporary { within = dir, prefix = "x-" })
    assert.equal(dir .. "/x-", path:sub(1, #dir + 3))
    assert.equal(384, fs.stat(path).mode)
    assert(file:write("text"))
    file:seek("set")
    assert.equal("text", file:read("a"))
    file:close()
    local made = assert(fs.temporary { within = dir, directory = true })
    assert.equal(448, fs.stat(made).mode)
    kit.fails("ENOENT", fs.temporary { within = dir .. "/none" })
    kit.mistake("slashes", fs.temporary, { prefix = "a/b" })
  end))
end)

describe("fs.remove", function()
  it("removes files, links and empty directories", inside(function(dir)
    assert(fs.write(dir .. "/file", ""))
    assert(fs.mkdir(dir .. "/sub/x", { parents = true }))
    assert(fs.symlink("sub", dir .. "/link"))
    assert.is_true(fs.remove(dir .. "/file"))
    assert.is_true(fs.remove(dir .. "/link"))
    kit.fails("ENOTEMPTY", fs.remove(dir .. "/sub"))
    assert.is_true(fs.remove(dir .. "/sub/x"))
    assert.is_true(fs.remove(dir .. "/sub"))
    kit.fails("ENOENT", fs.remove(dir .. "/sub"))
    kit.fails("ENOENT", fs.remove(dir .. "/sub", { recursive = true }))
  end))

  it("empties a tree, and follows no link out of it", inside(function(dir)
    local tree = dir .. "/tree"
    assert(fs.mkdir(dir .. "/kept"))
    assert(fs.write(dir .. "/kept/file", "x"))
    assert(fs.mkdir(tree .. "/a/b", { parents = true }))
    assert(fs.symlink("../../kept", tree .. "/a/link"))
    assert(fs.symlink(dir .. "/kept/file", tree .. "/file link"))
    temporary.fifo(tree)
    for i = 1, 300 do assert(fs.write(tree .. "/a/b/" .. i, "")) end
    assert.is_true(fs.remove(tree .. "/", { recursive = true }))
    assert.same({ "kept directory" }, names_of(dir))
    assert.equal("x", fs.read(dir .. "/kept/file"))
    assert(fs.symlink("kept", dir .. "/link"))
    assert.is_true(fs.remove(dir .. "/link/", { recursive = true }))
    assert.equal("x", fs.read(dir .. "/kept/file"))
  end))

  it("removes a tree that is deeper than a path can be long, and than there are descriptors", inside(function(dir)
    local hundred = ("aaaaaaaaaa/"):rep(100)
    assert(os.execute(([[cd %s && mkdir tree && cd tree && for i in 1 2 3 4 5 6; do
      mkdir -p %s && cd -P %s || exit 1; done]]):format(dir, hundred, hundred)))
    assert.is_true(fs.remove(dir .. "/tree", { recursive = true }))
    assert.same({}, names_of(dir))
  end))

  it("never leaves the tree while somebody swaps a directory for a link", inside(function(dir)
    assert(fs.mkdir(dir .. "/kept"))
    assert(fs.write(dir .. "/kept/file", "x"))
    local swapping <close> = child.start(([[sh -c 'cd %s; echo begun; while :; do
      mkdir -p tree/d; touch tree/d/f; rm -rf tree/d; ln -s ../kept tree/d; rm -f tree/d
      done 2>/dev/null']]):format(dir))
    swapping:expect("begun")
    for _ = 1, kit.count(60) do
      fs.mkdir(dir .. "/tree")
      fs.remove(dir .. "/tree", { recursive = true })
      assert.equal("x", fs.read(dir .. "/kept/file"))
    end
  end))

  it("refuses what would be everything", inside(function(dir)
    for _, path in ipairs { "/", "//", ".", "..", dir .. "/.", dir .. "/.." } do
      kit.fails("EINVAL", fs.remove(path, { recursive = true }))
    end
    assert.equal("directory", fs.stat(dir).type)
  end))
end)
