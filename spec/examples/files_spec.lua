-- examples/ that work with files and the standard streams, as a user runs them.

local arsenal = require("arsenal")
local example = require("spec.kit.example")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")

local inside <const> = temporary.inside
local fs <const> = arsenal.fs

local start <const>, interrupt <const> = example.start, example.interrupt

local function connect(port)
  local stream = assert(arsenal.tcp.connect("127.0.0.1", port))
  stream:set_timeout(kit.limit / 2)
  return stream
end

describe("examples/cat.lua", function()
  it("writes files and its input one after another", inside(function(dir)
    assert(fs.write(dir .. "/a", "one\n"))
    assert(fs.write(dir .. "/b", kit.random_bytes(200000, 1):gsub("\n", "") .. "\n"))
    local result = start("cat", { input = "input\n" }, dir .. "/a", "-", dir .. "/b", dir .. "/a"):finish()
    kit.same_bytes("one\ninput\n" .. fs.read(dir .. "/b") .. "one\n", result.out)
    assert.equal(0, result.status)
    assert.equal("input\n", start("cat", { input = "input\n" }):finish().out)
  end))

  it("tells of a file that it cannot read, and goes on", inside(function(dir)
    assert(fs.write(dir .. "/a", "one\n"))
    local result = start("cat", nil, dir .. "/none", dir, dir .. "/a"):finish()
    assert.equal("one\n", result.out)
    assert.equal(1, result.status)
    assert.truthy(result.err:find("none: no such file", 1, true))
    assert.truthy(result.err:find("directory", 1, true))
  end))
end)

describe("examples/tail.lua", function()
  it("follows a file as it grows, is cut, and is replaced", inside(function(dir)
    local path = dir .. "/log"
    assert(fs.write(path, "old\n"))
    local program <close> = start("tail", nil, path)
    assert.truthy(program:expect("following"))
    local function add(text) assert(fs.write(path, text, { append = true })) end
    add("one\n")
    assert.equal("one", program:line())
    assert(fs.rename(path, dir .. "/log.1"))
    assert(fs.write(dir .. "/log.1", "last\n", { append = true }))
    add("two, and more\n")
    assert.truthy(program:expect("two"))
    assert(fs.write(path, "cut\n"))
    assert.truthy(program:expect("cut"))
    assert(fs.write(path, "new\n", { atomic = true }))
    assert.truthy(program:expect("new"))
    add("three\n")
    assert.equal("three", program:line())
    interrupt(program)
  end))
end)

describe("examples/static_httpd.lua", function()
  local function with_server(dir, fn)
    local program <close> = start("static_httpd", nil, dir, "127.0.0.1", 0)
    fn(math.tointeger(program:expect("127%.0%.0%.1:(%d+)")))
    interrupt(program)
  end

  -- Sends one request; returns the status, the header fields, and the body.
  local function ask(stream, method, target, fields)
    assert(stream:send(method, " ", target, " HTTP/1.1\r\nHost: x\r\n", fields or "", "\r\n"))
    local status = math.tointeger(assert(stream:recv_line()):match("^HTTP/1%.1 (%d+) "))
    local got = {}
    for line in stream:lines() do
      if line == "" then break end
      local name, value = line:match("^(%S+): (.*)$")
      got[name:lower()] = value
    end
    local length = tonumber(got["content-length"] or 0)
    local has_body = method ~= "HEAD" and length > 0
    return status, got, has_body and assert(stream:recv_exactly(length)) or ""
  end

  it("sends files, on one connection", inside(function(dir)
    local data = kit.random_bytes(kit.bytes(2 << 20), 2)
    assert(fs.write(dir .. "/index.html", "<p>"))
    assert(fs.write(dir .. "/a b", data))
    with_server(dir, function(port)
      local stream <close> = connect(port)
      local status, fields, body = ask(stream, "GET", "/")
      assert.same({ 200, "text/html; charset=utf-8", "<p>" }, { status, fields["content-type"], body })
      status, fields, body = ask(stream, "GET", "/a%20b?x=1")
      assert.same({ 200, "application/octet-stream" }, { status, fields["content-type"] })
      kit.same_bytes(data, body)
      status, fields, body = ask(stream, "HEAD", "/index.html")
      assert.same({ 200, "3", "" }, { status, fields["content-length"], body })
      assert.equal(404, (ask(stream, "GET", "/none")))
      assert.equal(400, (ask(stream, "GET", "none")))
      assert.equal(405, (ask(stream, "POST", "/")))
      assert.is_nil((stream:recv()))
    end)
  end))

  it("does not send again what the client has", inside(function(dir)
    assert(fs.write(dir .. "/file", "one"))
    with_server(dir, function(port)
      local stream <close> = connect(port)
      local _, fields = ask(stream, "GET", "/file")
      local with_tag = "If-None-Match: " .. fields.etag .. "\r\n"
      assert.equal(304, (ask(stream, "GET", "/file", with_tag)))
      assert.equal(304, (ask(stream, "GET", "/file", "If-Modified-Since: " .. fields["last-modified"] .. "\r\n")))
      assert(fs.write(dir .. "/file", "other"))
      local status, _, body = ask(stream, "GET", "/file", with_tag)
      assert.same({ 200, "other" }, { status, body })
    end)
  end))

  it("refuses every way out of the directory", inside(function(dir)
    assert(fs.mkdir(dir .. "/root/sub", { parents = true }))
    assert(fs.mkdir(dir .. "/root2"))
    assert(fs.write(dir .. "/secret", "secret"))
    assert(fs.write(dir .. "/root2/secret", "secret"))
    assert(fs.write(dir .. "/root/file", "fine"))
    assert(fs.symlink("../secret", dir .. "/root/link"))
    assert(fs.symlink("../root2", dir .. "/root/sibling"))
    assert(fs.symlink("file", dir .. "/root/inner"))
    with_server(dir .. "/root", function(port)
      local stream <close> = connect(port)
      for target, expected in pairs {
        ["/../secret"] = 400, ["/%2e%2e/secret"] = 400, ["/sub/..%2f..%2fsecret"] = 400, ["//../secret"] = 400,
        ["/link"] = 404, ["/sibling/secret"] = 404, ["/file%00"] = 400, ["/sub"] = 404, ["/."] = 404,
        ["/inner"] = 200, ["//file"] = 200, ["/..."] = 404,
      } do
        local status, _, body = ask(stream, "GET", target)
        assert.equal(expected, status, target)
        assert.is_nil(body:find("secret", 1, true))
      end
    end)
  end))
end)

describe("examples/chat_client.lua", function()
  it("passes what is typed to the server, and prints what the server sends", inside(function()
    local listener <close> = kit.listen()
    local program <close> = start("chat_client", { under = [[sh -c 'printf "ann\nhello\n" | "$@"' sh]] },
      "127.0.0.1", kit.port_of(listener))
    local server <close> = assert(listener:accept())
    server:send("* your nickname?\n")
    assert.equal("ann", server:recv_line())
    assert.equal("hello", server:recv_line())
    assert.is_nil((server:recv_line()))
    server:send("* bye\n")
    server:close()
    local result = program:finish()
    assert.equal("* your nickname?\n* bye\n", result.out)
    assert.equal(0, result.status)
  end))
end)
