-- src/openssl/record_budget.c: peers that send records without end and without data, on both sides of a connection.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside
local it_floods <const> = child.it_with("cc", "openssl")

local LONGEST_STALL <const> = kit.slow and 1 or 0.05
local ENOUGH <const> = 20000

-- Runs fn beside a task that looks at the clock each millisecond; returns the longest time between two looks. The clock
-- is the process's CPU time, so that other programs on the machine do not count. The collector does: a flood that has
-- met it is repeated.
local function longest_stall(fn)
  local longest, before = 0, os.clock()
  local function look()
    local now = os.clock()
    longest, before = math.max(longest, now - before), now
  end
  local ticking = arsenal.go(function()
    while true do
      arsenal.sleep(0.001)
      look()
    end
  end)
  fn()
  look()
  ticking:cancel()
  ticking:join()
  return longest
end

-- Calls receive(stream) again and again until it returns no data; returns the failure's code.
local function receive_all(receive)
  return function(stream)
    while true do
      local data, _, code = receive(stream)
      if not data then return code end
    end
  end
end

local receivers <const> = {
  recv = receive_all(function(stream) return stream:recv() end),
  recv_exactly = receive_all(function(stream) return stream:recv_exactly(1000000) end),
  select = receive_all(function(stream) return select(2, arsenal.select({ stream }, 60)) end),
  copy = function(stream)
    return kit.with_pair(function(sink, drain)
      local reading = arsenal.go(drain.recv_all, drain)
      local code = select(3, arsenal.copy(stream, sink))
      sink:close()
      reading:join()
      return code
    end)
  end,
}

-- Lets a flood come in at a server of ours; returns the longest stall and the code that receiving ended with.
local function flood_server(kind, count, receive)
  local listener <close> = tls_kit.listen()
  local flooding = child.start(child.command(child.tls_program("hostile_tls"), "connect", kit.port_of(listener), kind,
    count))
  local stream <close> = assert(listener:accept())
  local code
  local stall = longest_stall(function() code = receive(stream) end)
  stream:close()
  assert.equal("", flooding:finish().err)
  return stall, code
end

local function flood_client(kind, count, receive)
  local made = certificates.of("localhost")
  local flooding = child.start(child.command(child.tls_program("hostile_tls"), "listen", 0, kind, count, made.cert,
    made.key))
  local port = math.tointeger(flooding:expect("^listening on (%d+)$"))
  local stream <close> = assert(arsenal.tls.connect("localhost", port, tls_kit.client_options()))
  local code
  local stall = longest_stall(function() code = receive(stream) end)
  stream:close()
  assert.equal("", flooding:finish().err)
  return stall, code
end

-- Both sides get these floods; `fails` says that the connection is failed for them.
local function floods(side, flood, kinds)
  describe("a " .. side .. " that is flooded (#case46)", function()
    for _, case in ipairs(kinds) do
      local kind <const>, count <const>, code <const> = table.unpack(case)
      local names = case.receivers or { "recv" }
      for _, name in ipairs(names) do
        it_floods(("lets others run during %s, %s"):format(kind, name), inside(function()
          kit.less_than(LONGEST_STALL, function()
            local stall, ended = flood(kind, kit.count(count), receivers[name])
            assert.equal(code, ended)
            return stall
          end)
        end, { limit = 4 * kit.limit }))
      end
    end
  end)
end

local every <const> = { "recv", "recv_exactly", "select", "copy" }

floods("server", flood_server, {
  { "key_update", ENOUGH, "TLS", receivers = every },
  { "key_update_request", ENOUGH, "TLS" },
  { "key_update_and_data", 90, "TRUNCATED", receivers = every },
  { "client_hello", ENOUGH, "TLS" },
  { "client_hello_and_data", 90, "TRUNCATED" },
  { "empty", ENOUGH, "TLS" },
  { "empty_of_1_2", ENOUGH, "TLS" },
  { "warning", ENOUGH, "TLS" },
  { "byte", 10 * ENOUGH, "TRUNCATED", receivers = every },
  { "byte_of_1_2", 10 * ENOUGH, "TRUNCATED" },
})

floods("client", flood_client, {
  { "key_update", ENOUGH, "TLS" },
  { "key_update_request", ENOUGH, "TLS" },
  { "key_update_and_data", 90, "TRUNCATED" },
  { "ticket", ENOUGH, "TLS" },
  { "tickets", 100, "TLS" },
  { "ticket_and_data", 90, "TRUNCATED", receivers = every },
  { "hello_request", ENOUGH, "TLS" },
  { "hello_request_and_data", 90, "TRUNCATED" },
  { "empty", ENOUGH, "TLS" },
  { "byte", 10 * ENOUGH, "TRUNCATED", receivers = every },
})

describe("a handshake (#case46)", function()
  it("fails if its messages come in a byte at a time", inside(function()
    tls_kit.with_refusing({}, function(listener)
      local hello = "\1\0\255\255\3\3" .. ("x"):rep(kit.count(20000))
      local records = hello:gsub(".", "\22\3\1\0\1%0")
      kit.less_than(LONGEST_STALL, function()
        local client <close> = kit.connect_to(listener)
        local stall = longest_stall(function()
          client:send(records)
          client:recv_all()
        end)
        assert.matches("records without data", listener:stats().last_failure)
        return stall
      end)
    end)
  end))
end)

it_floods("a client that ends without close_notify counts as gone (#case49)", inside(function()
  local listener <close> = tls_kit.listen()
  local serving = arsenal.go(listener.serve, listener, function(stream) arsenal.check(stream:recv_line()) end)
  local port = kit.port_of(listener)
  local client = child.start(child.command(child.tls_program("hostile_tls"), "connect", port, "byte", 9))
  kit.turn_until(function() return listener:stats().gone == 1 end)
  client:finish()
  listener:close()
  serving:join()
end))
