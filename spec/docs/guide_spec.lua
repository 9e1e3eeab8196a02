-- docs/guide.md: its programs, as a reader has them after each chapter, do what the text says.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local lfs = require("lfs")

local ROOT <const> = lfs.currentdir()
local LUA <const> = os.getenv("LUA") or "lua5.4"
local SIGINT <const> = 2

-- The blocks of code, { language =, text = }, in lists by chapter.
local function read_chapters()
  local chapters, block = {}, nil
  for line in io.lines("docs/guide.md") do
    if block and line ~= "```" then
      block.text = block.text .. line .. "\n"
    elseif line:find("^## ") then
      chapters[#chapters + 1] = {}
    elseif line:find("^```") then
      block = not block and { language = line:sub(4), text = "" } or nil
      if block then table.insert(chapters[#chapters], block) end
    end
  end
  return chapters
end

local chapters <const> = read_chapters()

-- Puts the block into the files. Its first line has the name of its file: "-- chat.lua", or "-- chat.lua, from here on"
-- if it takes the place of what the file has from the block's next line on.
local function add(files, block)
  local name, rest, text = block.text:match("^%-%- ([%w_]+%.lua)([^\n]*)\n(.*)$")
  if rest == "" then
    files[name] = block.text
  else
    assert.equal(", from here on", rest)
    local at = assert(files[name]:find(text:match("^[^\n]*\n"), 1, true), name .. " has no such line")
    files[name] = files[name]:sub(1, at - 1) .. text
  end
end

-- The files after a chapter. The system chooses the port, in place of 7000.
local function files_after(number)
  local files = {}
  for i = 1, number do
    for _, block in ipairs(chapters[i]) do
      if block.language == "lua" then add(files, block) end
    end
  end
  return files
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

-- Calls fn(folder) with a folder that has the files.
local function with_folder(files, fn)
  local pipe <close> = assert(io.popen("mktemp -d"))
  local folder = pipe:read("l")
  local _ <close> = kit.on_close(function() os.execute("rm -r " .. folder) end)
  for name, text in pairs(files) do write(folder .. "/" .. name, text:gsub("7000", "0")) end
  return fn(folder)
end

local function start(folder, command, input)
  return child.start(command, { before = ("cd %s;"):format(folder), input = input })
end

local function start_lua(folder, name, input)
  return start(folder, child.command(LUA, "-e", "io.stdout:setvbuf('no')", name), input)
end

-- Starts a server of the folder, and calls fn(port, program). Then it ends by the signal; returns the result.
local function with_server(folder, name, signal, fn)
  local program <close> = start_lua(folder, name)
  fn(math.tointeger(program:expect("listener 127%.0%.0%.1:(%d+)")), program)
  program:signal(signal)
  local result = program:finish()
  assert.equal("", result.err)
  assert.equal(signal == "INT" and SIGINT or nil, result.signal)
  return result
end

local function connect(port)
  local stream = assert(arsenal.tcp.connect("127.0.0.1", port))
  stream:set_timeout(kit.limit / 2)
  return stream
end

local function join(port, name)
  local stream = connect(port)
  assert.equal("* your name?", stream:recv_line())
  stream:send(name, "\n")
  assert.equal("* welcome, " .. name, stream:recv_line())
  return stream
end

local function two_members_chat(port)
  local ann <close> = join(port, "ann")
  local ben <close> = join(port, "ben")
  assert.equal("* ben has joined", ann:recv_line())
  ben:send("hello\n")
  assert.equal("ben: hello", ann:recv_line())
  ben:shutdown()
  assert.equal("* ben has left", ann:recv_line())
  assert.is_nil((ben:recv()))
end

-- By chapter: what its programs do.
local checks <const> = {}

checks[1] = function(folder)
  with_server(folder, "echo.lua", "INT", function(port)
    local stream <close> = connect(port)
    stream:send("hello\n")
    assert.equal("hello\n", stream:recv_exactly(6))
  end)
end

checks[2] = function(folder)
  with_server(folder, "greeter.lua", "INT", function(port)
    for answer, name in pairs { ["hello, ann\n"] = "ann\n", ["that is too long for a name\n"] = ("x"):rep(100) } do
      local stream <close> = connect(port)
      assert.equal("who are you?", stream:recv_line())
      stream:send(name)
      assert.equal(answer, stream:recv_all())
    end
    local stream <close> = connect(port)
    stream:shutdown() -- counts as gone: nothing is printed
    assert.equal("who are you?\n", stream:recv_all())
  end)
end

checks[3] = function(folder)
  with_server(folder, "server.lua", "INT", function(port)
    two_members_chat(port)
    local ann <close> = join(port, "ann")
    for name, answer in pairs { ["ann"] = "* ann is taken", ["a b"] = "* a name has letters and digits" } do
      local other <close> = connect(port)
      other:send(name, "\n")
      assert.equal("* your name?", other:recv_line())
      assert.equal(answer, other:recv_line())
    end
    join(port, "ben"):close()
    assert.equal("* ben has joined", ann:recv_line())
    assert.equal("* ben has left", ann:recv_line())
  end)
end

checks[4] = function(folder)
  with_server(folder, "server.lua", "INT", two_members_chat)
  local text = child.run("cat " .. folder .. "/chat.lua").out
  write(folder .. "/chat.lua", (text:gsub("timeout%(60,", "timeout(0.1,")))
  with_server(folder, "server.lua", "INT", function(port)
    local silent <close> = connect(port)
    assert.equal("* your name?\n", silent:recv_all())
  end)
end

checks[5] = function(folder)
  local ann
  with_server(folder, "server.lua", "TERM", function(port)
    two_members_chat(port)
    ann = join(port, "ann")
  end)
  assert.equal("* the server ends\n", ann:recv_all())
  ann:close()
end

checks[6] = function(folder)
  for _, block in ipairs(chapters[6]) do
    local is_shell = block.language == "sh"
    if is_shell then assert.equal(0, start(folder, child.command("sh", "-c", block.text)):finish().status) end
  end
  with_server(folder, "server.lua", "TERM", function(port, program)
    program:signal("HUP")
    program:expect("^the certificate was read$")
    local client = child.run(child.command("sed", ("s/, 0,/, %d,/"):format(port), folder .. "/client.lua")).out
    write(folder .. "/client.lua", client)
    local result = start_lua(folder, "client.lua", "ann\nhello\n"):finish()
    assert.same({ "* your name?\n* welcome, ann\n", "", 0 }, { result.out, result.err, result.status })
  end)
end

checks[7] = function(folder)
  local busted = child.command(LUA, ROOT .. "/tools/busted.lua", "--ignore-lua", "chat_spec.lua")
  local result = start(folder, busted):finish()
  assert.equal(0, result.status, result.out .. result.err)
  assert.matches("3 successes / 0 failures / 0 errors / 0 pending", result.out)
end

describe("the guide", function()
  for number, blocks in ipairs(chapters) do
    if #blocks > 0 then
      it("has programs that do what chapter " .. number .. " says", kit.inside(function()
        with_folder(files_after(number), assert(checks[number], "spec/docs/guide_spec.lua does not check it"))
      end))
    end
  end
end)
