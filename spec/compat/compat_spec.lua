-- Modules that nobody here wrote run on arsenal.socket, unmodified.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")

local function has(module) return pcall(require, module) end

local it_with_luasocket = has("socket.core") and it or kit.pending("LuaSocket is not installed")

describe("arsenal.compat", function()
  it_with_luasocket("gives a module arsenal's sockets, and nobody else", kit.inside(function()
    local http = arsenal.compat.require("socket.http")
    assert.are.equal(http, arsenal.compat.require("socket.http"))
    assert.are_not.equal(http, require("socket.http"))
    assert.are.equal(require("arsenal.socket"), arsenal.compat.require("socket"))
  end))

  it("names a module that is not there, and a dialect that it does not know", function()
    kit.mistake("module 'nosuch' not found", arsenal.compat.require, "nosuch")
    kit.mistake("expected, got latin", arsenal.compat.require, "socket", "latin")
    kit.mistake("expected, got latin", arsenal.compat.install, "latin")
  end)

  -- Runs fn(path) while modules of these names and texts can be required.
  local function with_modules(texts, fn)
    local directory <close> = temporary.directory()
    local path <const> = package.path
    local _ <close> = kit.on_close(function()
      package.path = path
      for name in pairs(texts) do package.loaded[name] = nil end
    end)
    package.path = directory.path .. "/?.lua;" .. path
    for name, text in pairs(texts) do
      arsenal.check(arsenal.fs.write(("%s/%s.lua"):format(directory.path, name), text))
    end
    return fn(directory.path)
  end

  it_with_luasocket("keeps dialects apart, and a module that was loaded before", kit.inside(function()
    local text <const> = 'spec_global = 1 return { socket = require("socket"), ngx = ngx, name = ... }'
    with_modules({ spec_faces = text }, function()
      local before = require("spec_faces")
      _G.spec_global = nil
      local for_socket, for_ngx = arsenal.compat.require("spec_faces"), arsenal.compat.require("spec_faces", "ngx")
      assert.equal(before, require("spec_faces"))
      assert.same({ require("socket"), nil }, { before.socket, before.ngx })
      assert.same({ require("arsenal.socket"), nil }, { for_socket.socket, for_socket.ngx })
      assert.equal(require("arsenal.ngx"), for_ngx.ngx)
      assert.equal(require("socket"), for_ngx.socket)
      assert.equal("spec_faces", for_ngx.name)
      assert.same({ nil, nil }, { rawget(_G, "spec_global"), rawget(_G, "ngx") })
    end)
  end))

  it_with_luasocket("gives its modules also where a program has the others as global variables", kit.inside(function()
    local text <const> = [[
      local socket = require("socket")
      return { socket, require("socket"), package.loaded.socket, load("return require('socket')")() }]]
    with_modules({ spec_global_socket = text }, function()
      local socket, module = rawget(_G, "socket"), rawget(_G, "spec_global_socket")
      local _ <close> = kit.on_close(function() _G.socket, _G.spec_global_socket = socket, module end)
      _G.socket, _G.spec_global_socket = require("socket"), require("spec_global_socket")
      local face = require("arsenal.socket")
      assert.equal(face, arsenal.compat.require("socket"))
      assert.same({ face, face, face, face }, arsenal.compat.require("spec_global_socket"))
      assert.equal(string, arsenal.compat.require("string"))
    end)
  end))

  local GENERATOR <const> = [[
    local sleep = ngx and ngx.sleep or require("socket").sleep
    local words = coroutine.wrap(function()
      for word in ("one two"):gmatch("%S+") do
        sleep(0)
        coroutine.yield(word)
      end
    end)
    return { words(), words(), require("coroutine") == coroutine }]]

  it("lets a module wait in coroutines that it makes", kit.inside(function()
    with_modules({ spec_generator = GENERATOR }, function()
      assert.same({ "one", "two", true }, arsenal.compat.require("spec_generator"))
      assert.same({ "one", "two", true }, arsenal.compat.require("spec_generator", "ngx"))
    end)
  end))

  it("lets the whole program wait in coroutines", function()
    local result = child.run_lua(([[
      local arsenal = require("arsenal")
      arsenal.compat.install()
      arsenal.run(function()
        local function generator() %s end
        print(table.unpack(generator()))
        print(coroutine.resume(coroutine.create(function() coroutine.yield(1) end)))
      end)]]):format(GENERATOR))
    assert.equal("one\ttwo\ttrue\ntrue\t1\n", result.out, result.err)
  end)

  it("loads text in the module's environment", kit.inside(function()
    local text <const> = 'return { loadstring("return ngx, require")(), require, load("return ngx")() }'
    with_modules({ spec_text = text }, function()
      local ngx, module = require("arsenal.ngx"), arsenal.compat.require("spec_text", "ngx")
      assert.equal(ngx, module[1])
      assert.equal(ngx, module[3])
    end)
  end))

  it_with_luasocket("runs socket.smtp's messages whose text comes from a connection", kit.inside(function()
    local smtp = arsenal.compat.require("socket.smtp")
    local socket = arsenal.compat.require("socket")
    local texts <close> = kit.server(function(stream) stream:send("part") end)
    local mails <close> = kit.server(function(stream)
      stream:send("220 hello\r\n")
      for line in stream:lines() do
        stream:send(line:find("^DATA") and "354" or "250", " ok\r\n")
        if line:find("^DATA") then
          assert.is_string(stream:recv_until("\r\n\r\npart\r\n.\r\n"))
          stream:send("250 ok\r\n")
        end
      end
    end)
    local text = socket.source("until-closed", assert(socket.connect("127.0.0.1", kit.port_of(texts))))
    assert.equal(1, smtp.send {
      from = "<a@example.com>", rcpt = "<b@example.com>", server = "127.0.0.1", port = kit.port_of(mails),
      source = smtp.message { headers = { subject = "hello" }, body = function() return text() end },
    })
  end))

  it("passes a module's errors on, and loads it anew the next time", kit.inside(function()
    local texts = { spec_broken = 'error("broken here")', spec_syntax = "x = = 1" }
    with_modules(texts, function(path)
      for _ = 1, 2 do
        local _, message = pcall(arsenal.compat.require, "spec_broken")
        assert.equal(path .. "/spec_broken.lua:1: broken here", message)
      end
      local _, message = pcall(arsenal.compat.require, "spec_syntax")
      assert.matches("^error loading module 'spec_syntax' from file", message)
      arsenal.check(arsenal.fs.write(path .. "/spec_broken.lua", "return 'mended'"))
      assert.equal("mended", arsenal.compat.require("spec_broken"))
    end)
  end))

  it_with_luasocket("puts its modules in place for the whole program, and loads those above them anew", function()
    local result = child.run_lua([[
      local sockets, http = require("socket"), require("socket.http")
      arsenal.compat.install("socket")
      print(require("socket") == require("arsenal.socket"), require("socket") ~= sockets)
      print(require("socket.http") ~= http)
      print(ngx)
      arsenal.compat.install()
      print(ngx == require("arsenal.ngx"), require("bit").band(3, 6))]])
    assert.equal("true\ttrue\ntrue\nnil\ntrue\t2\n", result.out, result.err)
  end)

  it_with_luasocket("runs socket.http in 200 tasks", kit.inside(function()
    local http = arsenal.compat.require("socket.http")
    local listener <close> = kit.server(function(stream)
      local path = stream:recv_line():match("^GET (%S+)")
      repeat local line = stream:recv_line() until line == "" or not line
      stream:send("HTTP/1.1 200 OK\r\nContent-Length: ", #path, "\r\nConnection: close\r\n\r\n", path)
    end)
    local url = ("http://127.0.0.1:%d/"):format(kit.port_of(listener))
    arsenal.group(function(group)
      for i = 1, kit.count(200) do
        group:go(function()
          local body, status = http.request(url .. i)
          assert.are.same({ "/" .. i, 200 }, { body, status })
        end)
      end
    end)
  end))
end)
