-- Files: opened, read, written, closed, whole, listed, watched, sent; cancelled calls.

local arsenal = require("arsenal")

local fs <const>, check <const> = arsenal.fs, arsenal.check

local function use_file(path)
  local file <close> = check(fs.open(path, "w+"))
  check(file:write("one\n", 2, "\nthree"))
  check(file:seek("set"))
  assert(file:read("l", "n", "l", "a") == "one")
  check(file:seek("set"))
  for line in file:lines() do assert(#line > 0) end
  check(file:truncate(3))
  check(file:stat())
  check(file:try_lock())
  check(file:close())
end

local function use_whole_files(directory)
  local path = directory .. "/whole"
  local data = ("x"):rep(200000)
  check(fs.write(path, data))
  assert(#check(fs.read(path)) == #data)
  check(fs.write(path, "new", { atomic = true }))
  assert(check(fs.read(path)) == "new")
  check(fs.copy(path, directory .. "/copy"))
  check(fs.mkdir(directory .. "/a/b", { parents = true }))
  for _ in check(fs.walk(directory)) do check(fs.stat(path)) end
end

local function watch_and_send(directory)
  local watch <close> = check(fs.watch(directory, { recursive = true }))
  check(fs.write(directory .. "/sent", "text"))
  check(watch:wait())
  local listener <close> = check(arsenal.tcp.listen("127.0.0.1", 0))
  local client <close> = check(arsenal.tcp.connect(listener:local_address()))
  local server <close> = check(listener:accept())
  assert(check(client:send_file(directory .. "/sent")) == 4)
  assert(check(server:recv_exactly(4)) == "text")
end

local function cancel_calls(directory)
  local path = directory .. "/whole"
  arsenal.timeout(0, fs.read, path)
  arsenal.timeout(0, fs.write, path, "x")
  local reading = arsenal.go(fs.open, path)
  arsenal.yield()
  reading:cancel()
  reading:join()
end

-- One directory, which each run empties first: one that ends early leaves its files there.
local directory <const> = _G.attack.files

local function main()
  fs.remove(directory, { recursive = true })
  check(fs.mkdir(directory, { parents = true }))
  use_file(directory .. "/file")
  use_whole_files(directory)
  watch_and_send(directory)
  cancel_calls(directory)
end

return { main = main }
