-- examples/chat_workers.lua

local arsenal = require("arsenal")
local example = require("spec.kit.example")
local kit = require("spec.kit")
local assert = require("luassert")

local function enter(port, room, nickname)
  local member = assert(arsenal.tcp.connect("127.0.0.1", port))
  assert.equal("* room and nickname?", member:recv_line())
  member:send(room, " ", nickname, "\n")
  return member
end

describe("examples/chat_workers.lua", function()
  it("has rooms in several workers, each with members of its own", kit.inside(function()
    example.with_server("chat_workers", example.interrupt, nil, function(port)
      local rooms = {}
      for i = 1, 4 do
        local name = "room" .. i
        local ann = enter(port, name, "ann")
        assert.equal("* ann has joined " .. name, ann:recv_line())
        local bob = enter(port, name, "bob")
        assert.equal("* bob has joined " .. name, bob:recv_line())
        assert.equal("* bob has joined " .. name, ann:recv_line())
        rooms[i] = { ann, bob }
      end
      for i, members in ipairs(rooms) do members[1]:send("hello ", i, "\n") end
      for i, members in ipairs(rooms) do assert.equal("<ann> hello " .. i, members[2]:recv_line()) end
      for _, members in ipairs(rooms) do
        members[2]:close()
        assert.equal("* bob has left", members[1]:recv_line())
        members[1]:close()
      end
    end, "127.0.0.1", 0)
  end))
end)
