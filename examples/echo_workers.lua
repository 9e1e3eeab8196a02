-- An echo server on all processors. Each worker has its own listener on the port. With `shared`, all of them accept
-- from one listener.
--
--   lua5.4 examples/echo_workers.lua [host [port [shared]]]

local arsenal = require("arsenal")

local host, port = arg[1] or "127.0.0.1", tonumber(arg[2] or 7777)

local function echo(stream)
  for data in stream:chunks() do stream:send(data) end
end

local function serve_own(_, own_host, own_port)
  local listener <close> = assert(arsenal.tcp.listen(own_host, own_port, { reuseport = true }))
  listener:serve(echo)
end

local function serve_shared(_, listener)
  listener:serve(echo)
end

arsenal.main(function()
  local listener <close> = assert(arsenal.tcp.listen(host, port, { reuseport = true }))
  local _, bound = listener:local_address()
  local shared = arg[3] == "shared"
  if not shared then listener:close() end -- it has found a port; a client must not wait in its queue
  print(("echo server on %s:%d, %d workers"):format(host, bound, arsenal.parallelism()))
  if shared then return arsenal.workers(serve_shared, listener) end
  arsenal.workers(serve_own, host, bound)
end)
