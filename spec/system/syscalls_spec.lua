-- The price of a message in system calls, as strace counts them.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local it <const> = kit.one_byte and kit.pending("one byte at a time") or child.it_with("strace")

-- An echo server that opens /begin and /end around the messages between two marks.
local SERVER <const> = [[
  local listener = arsenal.tcp.listen("127.0.0.1", 0)
  print(select(2, listener:local_address()))
  arsenal.run(function()
    local stream = listener:accept()
    for chunk in stream:chunks() do
      if chunk == "begin" then io.open("/begin") end
      if chunk == "end" then io.open("/end") end
      assert(stream:send(chunk))
    end
    listener:close()
  end)]]

-- The system calls that the server makes between the marks, by name, while `exchange` runs.
local function calls_during(exchange)
  local trace = os.tmpname()
  local server <close> = child.lua(SERVER, { under = "strace -f -o " .. trace })
  local port = math.tointeger(server:expect("^%d+$"))
  local client = assert(arsenal.tcp.connect("127.0.0.1", port))
  local function mark(text)
    client:send(text)
    assert.equal(text, client:recv_exactly(#text))
  end
  mark("warm")
  mark("up")
  mark("begin")
  exchange(client)
  mark("end")
  client:close()
  assert.equal(0, server:finish().status)
  local counts, counting = {}, false
  for line in io.lines(trace) do
    if line:find("\"/end\"", 1, true) then break end
    local name = line:match("^%d+%s+([%w_]+)%(")
    if counting and name then counts[name] = (counts[name] or 0) + 1 end
    if line:find("\"/begin\"", 1, true) then counting = true end
  end
  os.remove(trace)
  return counts
end

describe("an echoed message", function()
  it("costs three system calls at most, and no epoll_ctl", kit.inside(function()
    local messages = 100
    local counts = calls_during(function(client)
      for _ = 1, messages do
        client:send("message")
        assert.equal("message", client:recv_exactly(7))
      end
    end)
    counts.sigaltstack = nil -- the address sanitizer's
    local total, text = 0, {}
    for name, count in pairs(counts) do
      total = total + count
      text[#text + 1] = name .. " " .. count
    end
    -- Besides the messages: the send of "begin", and the wait and read of "end".
    assert(total <= 3 * messages + 4, table.concat(text, ", "))
    assert.is_nil(counts.epoll_ctl)
  end))
end)
