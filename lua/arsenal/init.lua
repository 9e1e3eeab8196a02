-- arsenal: network programs in plain, straight-line Lua. This is the public
-- module: the functions of the C core and of the Lua files, under their public names.

require("arsenal.internal.lua_version")
local core = require("arsenal.core")
local dump = require("arsenal.debug.dump")
local group = require("arsenal.task.group")
local main = require("arsenal.task.main")
local map = require("arsenal.task.map")
local proxy = require("arsenal.stream.proxy")
local tcp = require("arsenal.net.tcp")
local public_names = require("arsenal.internal.public_names")
local report = require("arsenal.task.report")
local udp = require("arsenal.net.udp")
local unix = require("arsenal.net.unix")
require("arsenal.stream.stream")
require("arsenal.sync.lock")
require("arsenal.net.listener")
require("arsenal.worker.worker")
require("arsenal.os.file")

-- One table for a Lua state, however often the module is required.
---@class arsenal
---@field tls arsenal.tls
---@field compat arsenal.compat
---@field fs arsenal.fs
---@field process arsenal.process
---@field systemd arsenal.systemd
---@field pool fun(options: arsenal.PoolOptions): arsenal.Pool
---@field stdin arsenal.Stream
---@field stdout arsenal.Stream
---@field stderr arsenal.Stream
local arsenal = core.module()

arsenal._VERSION = "arsenal 0.2.0"

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
arsenal.wait_readable = core.wait_readable
arsenal.wait_writable = core.wait_writable

arsenal.copy = core.copy
arsenal.proxy = proxy.proxy
arsenal.readable = core.readable

arsenal.tcp = tcp
arsenal.unix = unix
arsenal.udp = udp
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

-- Files that are loaded when their part of arsenal is first used: a program starts faster, and needs OpenSSL only if it
-- uses TLS. The second table has functions, the first modules.
local later_modules <const> = {
  tls = "arsenal.tls",
  compat = "arsenal.compat",
  fs = "arsenal.os.fs",
  process = "arsenal.os.process",
  systemd = "arsenal.os.systemd",
}
local later_functions <const> = { pool = "arsenal.net.pool" }

-- Makes what is asked for first now. A standard stream is made then because that may change the descriptor.
local function make_field(self, name)
  if later_modules[name] then
    self[name] = public_names.define("arsenal." .. name, public_names.require(later_modules[name]))
  elseif later_functions[name] then
    self[name] = public_names.require(later_functions[name])[name]
  elseif standard_streams[name] then
    self[name] = core.check(core.standard_stream(standard_streams[name]))
  end
  return rawget(self, name)
end

public_names.define("arsenal", arsenal, make_field)
for name, module in pairs { tcp = tcp, unix = unix, udp = udp, dns = arsenal.dns } do
  public_names.define("arsenal." .. name, module)
end
public_names.hide_internal()

return arsenal
