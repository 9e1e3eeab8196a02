-- Calls that find their result at once, most of them a failure, each in a loop without end under a time limit of 10 ms.
-- A call that may wait lets others run, and is cut off, after its share (issue 11, item 10). These are not.
--
--   lua5.4 attack/found/endless_calls.lua [NAME...]
--
-- Prints for each whether the limit has cut the loop off; "STUCK" if it ran for half a second of CPU time. A mend that
-- covers all: the calls spend the budget where they begin, in task_enter, and pause before they do anything.

local arsenal = require("arsenal")
local kit = require("spec.kit")

-- Each gets a connected pair, and returns the call.
local calls <const> = {}

-- A call of a method on a stream that was prepared.
local function on_stream(prepare, method, ...)
  local arguments = table.pack(...)
  return function(near, far)
    prepare(near, far)
    return function() near[method](near, table.unpack(arguments, 1, arguments.n)) end
  end
end

local function nothing() end
local function close_near(near) near:close() end
local function shut_down(near) near:shutdown() end

calls.recv_closed = on_stream(close_near, "recv")
calls.recv_line_closed = on_stream(close_near, "recv_line")
calls.recv_exactly_0 = on_stream(nothing, "recv_exactly", 0)
calls.send_closed = on_stream(close_near, "send", "x")
calls.send_empty = on_stream(nothing, "send", "")
calls.send_after_shutdown = on_stream(shut_down, "send", "x")
calls.shutdown_again = on_stream(shut_down, "shutdown")
calls.start_tls_closed = on_stream(close_near, "start_tls", { verify = false })

function calls.copy_closed(near, far)
  near:close()
  return function() arsenal.copy(near, far) end
end

function calls.copy_at_end(near, far)
  far:shutdown()
  return function() arsenal.copy(near, near) end
end

function calls.copy_0(near, far)
  return function() arsenal.copy(near, far, { max = 0 }) end
end

-- A call of a method on an object that is closed.
local function on_closed(open, method, ...)
  local arguments = table.pack(...)
  return function()
    local object = open()
    object:close()
    return function() object[method](object, table.unpack(arguments, 1, arguments.n)) end
  end
end

local function bind()
  return arsenal.udp.bind("127.0.0.1", 0)
end

calls.accept_closed = on_closed(kit.listen, "accept")
calls.recv_from_closed = on_closed(bind, "recv_from")
calls.send_to_closed = on_closed(bind, "send_to", "x", "127.0.0.1", 9)
calls.signal_closed = on_closed(function() return arsenal.signal("SIGUSR1") end, "wait")
calls.pool_closed = on_closed(function() return arsenal.pool { connect = nothing } end, "with", nothing)

-- A call of a function with these arguments.
local function plain(fn, ...)
  local arguments = table.pack(...)
  return function()
    return function() fn(table.unpack(arguments, 1, arguments.n)) end
  end
end

calls.wait_readable_bad = plain(arsenal.wait_readable, 999)
calls.wait_writable_file = plain(function() arsenal.wait_writable(1) end) -- with the output in a file
calls.resolve_numeric = plain(arsenal.dns.resolve, "127.0.0.1")
calls.resolve_invalid = plain(arsenal.dns.resolve, "")
calls.reverse_invalid = plain(arsenal.dns.reverse, "x")
calls.connect_invalid = plain(arsenal.tcp.connect, "", 1)
calls.connect_unix_missing = plain(arsenal.unix.connect, "/nonexistent/path")

-- These never wait, but loops of them keep the others from running, too.
calls.listen = plain(function() kit.listen():close() end)
calls.bind = plain(function() bind():close() end)

function calls.try_recv()
  local channel = arsenal.channel()
  return function() channel:try_recv() end
end

function calls.try_send()
  local channel = arsenal.channel()
  return function() channel:try_send(1) end
end

function calls.try_lock()
  local mutex = arsenal.mutex()
  local held = mutex:lock()
  return function() return mutex:try_lock(), held end
end

-- --- Trying them ---

local function try(name)
  local near <close>, far = kit.tcp_pair()
  local _ <close> = far
  local call, others_ran = calls[name](near, far), false
  local other = arsenal.go(function() others_ran = true end)
  local began = os.clock()
  local _, _, code = arsenal.timeout(0.01, function()
    while os.clock() - began < 0.5 do call() end
  end)
  print(("%-22s %-8s %s"):format(name, code == "TIMEOUT" and "cut off" or "STUCK",
    others_ran and "others ran" or "no others ran"))
  other:join()
end

local chosen = { table.unpack(arg) }
if not chosen[1] then
  for name in pairs(calls) do chosen[#chosen + 1] = name end
  table.sort(chosen)
end
for _, name in ipairs(chosen) do arsenal.run(try, name) end
