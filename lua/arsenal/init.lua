-- arsenal: network programs in plain, straight-line Lua. This is the public
-- module: the functions of the C core and of the Lua files, under their public names.

local core = require("arsenal.core")
local dump = require("arsenal.debug.dump")
local fs = require("arsenal.os.fs")
local group = require("arsenal.task.group")
local main = require("arsenal.task.main")
local map = require("arsenal.task.map")
local pool = require("arsenal.net.pool")
local process = require("arsenal.os.process")
local proxy = require("arsenal.stream.proxy")
local systemd = require("arsenal.os.systemd")
local tcp = require("arsenal.net.tcp")
local public_names = require("arsenal.internal.public_names")
local report = require("arsenal.task.report")
local udp = require("arsenal.net.udp")
local unix = require("arsenal.net.unix")
require("arsenal.stream.stream")
require("arsenal.sync.lock")
require("arsenal.net.listener")
require("arsenal.worker.worker")

-- One table for a Lua state, however often the module is required.
---@class arsenal
---@field tls arsenal.tls
---@field stdin arsenal.Stream
---@field stdout arsenal.Stream
---@field stderr arsenal.Stream
local arsenal = core.module()

arsenal._VERSION = "arsenal scm"

arsenal.run = core.run
arsenal.main = main.main
arsenal.run_once = core.run_once
arsenal.stop = core.stop
arsenal.backend_fd = core.backend_fd
arsenal.backend_timeout = core.backend_timeout
arsenal.now = core.now
arsenal.stats = core.stats
arsenal.tasks = core.tasks
arsenal.dump = dump.dump
arsenal.slow_task = dump.slow_task

arsenal.go = core.go
arsenal.background = core.background
arsenal.current = core.current
arsenal.sleep = core.sleep
arsenal.yield = core.yield
arsenal.group = group.group
arsenal.map = map.map
arsenal.timeout = core.timeout
arsenal.shield = core.shield
arsenal.is_cancelled = core.is_cancelled
arsenal.check = core.check

arsenal.channel = core.channel
arsenal.select = core.select
arsenal.after = core.after
arsenal.event = core.event
arsenal.future = core.future
arsenal.every = core.every
arsenal.mutex = core.mutex
arsenal.semaphore = core.semaphore

arsenal.worker = core.worker
arsenal.workers = core.workers
arsenal.parallelism = core.parallelism
arsenal.blocking = core.blocking

arsenal.signal = core.signal
arsenal.process = process
arsenal.wait_readable = core.wait_readable
arsenal.wait_writable = core.wait_writable
arsenal.systemd = systemd

arsenal.copy = core.copy
arsenal.proxy = proxy.proxy
arsenal.pool = pool.pool
arsenal.readable = core.readable

arsenal.tcp = tcp
arsenal.unix = unix
arsenal.udp = udp
arsenal.fs = fs
arsenal.dns = { resolve = core.resolve, reverse = core.reverse }

---Lua's coroutine library, except that calls may wait inside the coroutines: they suspend the whole task.
---@type arsenal.coroutine
arsenal.coroutine = setmetatable({}, { __index = coroutine })
for name, fn in pairs(coroutine) do
  arsenal.coroutine[name] = core.coroutine[name] or fn
end

---This function is called with each error that no other code receives, and for a handler of `serve` with its stream. A
---program may replace it. It must not wait. The default prints the error to stderr, with the task and the stream.
---@type fun(err: any, traceback: string?, task: arsenal.Task?, stream: arsenal.Stream?)
arsenal.on_error = arsenal.on_error or report.print_error

local function dump_to_stderr() dump.dump(io.stderr) end

---This function is called when SIGQUIT comes while `arsenal.run` runs. A program may replace it. It must not wait. If
---it is false before `run`, the signal keeps its usual effect. The default writes `arsenal.dump` to stderr.
---@type fun()|false
arsenal.on_quit = arsenal.on_quit == nil and dump_to_stderr or arsenal.on_quit

local standard_streams <const> = { stdin = 0, stdout = 1, stderr = 2 }

-- Programs without TLS need no OpenSSL: it is loaded when arsenal.tls is first used. A standard stream is made when it
-- is first asked for, because that may change the descriptor.
public_names.define("arsenal", arsenal, function(self, name)
  if name == "tls" then
    self.tls = public_names.define("arsenal.tls", require("arsenal.tls"))
  elseif standard_streams[name] then
    self[name] = core.check(core.standard_stream(standard_streams[name]))
  end
  return rawget(self, name)
end)
for name, module in pairs { tcp = tcp, unix = unix, udp = udp, dns = arsenal.dns, fs = fs, systemd = systemd } do
  public_names.define("arsenal." .. name, module)
end
public_names.hide_internal()

return arsenal
