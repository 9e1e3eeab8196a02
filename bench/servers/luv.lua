-- An echo server on luv, three ways: "callbacks", "coroutines", "try_write" (coroutines that try at once and wait
-- only for what the kernel did not take).
local uv = require("luv")

local function serve_callbacks(client)
  client:read_start(function(err, data)
    if err or not data then
      client:close()
    else
      client:write(data)
    end
  end)
end

-- What was read and not yet received waits in a queue; a full queue stops the reading.
local Stream = {}
Stream.__index = Stream

local function stream_new(handle)
  local self = setmetatable({ handle = handle, queue = {}, first = 1, last = 0 }, Stream)
  handle:read_start(function(err, data)
    if err or not data then
      self.ended = true
    else
      self.last = self.last + 1
      self.queue[self.last] = data
    end
    local reader = self.reader
    if reader then
      self.reader = nil
      coroutine.resume(reader)
    end
  end)
  return self
end

function Stream:recv()
  while self.first > self.last do
    if self.ended then return nil end
    self.reader = coroutine.running()
    coroutine.yield()
  end
  local data = self.queue[self.first]
  self.queue[self.first] = nil
  self.first = self.first + 1
  return data
end

function Stream:send(data)
  local thread = coroutine.running()
  self.handle:write(data, function(err)
    coroutine.resume(thread, err)
  end)
  return coroutine.yield()
end

function Stream:send_trying(data)
  local sent = self.handle:try_write(data) or 0
  if sent < #data then
    return self:send(data:sub(sent + 1))
  end
end

local function serve_coroutine(send)
  return function(client)
    coroutine.wrap(function()
      local stream = stream_new(client)
      for data in stream.recv, stream do
        if send(stream, data) then break end
      end
      client:close()
    end)()
  end
end

local ways = {
  callbacks = serve_callbacks,
  coroutines = serve_coroutine(Stream.send),
  try_write = serve_coroutine(Stream.send_trying),
}

local serve = assert(ways[arg[1]])
local server = uv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(511, function(err)
  if err then return end
  local client = uv.new_tcp()
  server:accept(client)
  client:nodelay(true)
  serve(client)
end))
print(server:getsockname().port)
io.stdout:flush()
uv.run()
