-- Lets system calls fail, one at a time, in the programs of programs.lua, by strace. A program has to end with an
-- error in words, or well: no signal, no hang, nothing left behind, no wrong data.
--
--   lua5.4 attack/syscalls/run.lua [PROGRAM[:CALL[:ERRNO[:N]]]]
--
-- FULL=1: every errno at the first eight calls of each kind; otherwise two errnos at the first two.

local FULL <const> = os.getenv("FULL") == "1"
local DEEPEST <const> = FULL and 8 or 2
local LIMIT <const> = 30 -- seconds, then a program hangs
local PROCESSES <const> = 2

local PROGRAMS <const> = { "tcp", "unix", "udp", "copy", "serve", "together", "descriptors", "names", "signals", "tls" }

-- The errnos that come first are those of a sample. No call gets an errno that would be a lie about readiness
-- (EAGAIN where there is something), or about what has happened (EINPROGRESS, ENOTCONN, EINTR of connect).
local ERRNOS <const> = {
  accept4 = "EMFILE ECONNABORTED ENFILE ENOBUFS ENOMEM EPROTO EPERM EINTR ENETDOWN EBADF EINVAL",
  connect = "ECONNREFUSED ENETUNREACH ETIMEDOUT EADDRNOTAVAIL EACCES EPERM EHOSTUNREACH ENOBUFS EBADF",
  socket = "EMFILE EACCES ENFILE ENOBUFS ENOMEM EAFNOSUPPORT EPROTONOSUPPORT EINVAL",
  bind = "EADDRINUSE EACCES EADDRNOTAVAIL EINVAL ENOMEM ENOENT EROFS EBADF",
  listen = "EADDRINUSE EOPNOTSUPP EBADF",
  recvfrom = "ECONNRESET ENOMEM EINTR ECONNREFUSED ETIMEDOUT EHOSTUNREACH EBADF",
  recvmmsg = "ENOMEM ECONNREFUSED EINTR EHOSTUNREACH EBADF ENOSYS",
  recvmsg = "ENOMEM ECONNRESET EINTR ECONNREFUSED EBADF",
  sendto = "EPIPE ENOBUFS EINTR ECONNRESET ENOMEM EPERM EHOSTUNREACH EMSGSIZE EBADF",
  sendmsg = "EPIPE ENOBUFS EINTR ECONNRESET ENOMEM EPERM EHOSTUNREACH EMSGSIZE EBADF",
  io_uring_setup = "EMFILE ENOMEM EPERM ENOSYS EINVAL",
  io_uring_enter = "EAGAIN EINTR EBUSY EEXIST EPERM EBADF ENOMEM",
  mmap = "ENOMEM",
  madvise = "ENOMEM",
  writev = "EPIPE ENOBUFS EINTR ECONNRESET ENOMEM EBADF",
  splice = "EINVAL ENOMEM ECONNRESET EPIPE EINTR EBADF",
  pipe2 = "EMFILE ENFILE",
  epoll_ctl = "ENOMEM ENOSPC EPERM",
  epoll_wait = "EINTR",
  epoll_pwait = "EINTR",
  getsockopt = "ENOBUFS ENOTSOCK EBADF ENOPROTOOPT",
  setsockopt = "ENOPROTOOPT ENOMEM EINVAL ENOBUFS EBADF EPERM",
  getsockname = "ENOBUFS EBADF ENOTSOCK",
  getpeername = "ENOBUFS EBADF",
  shutdown = "ENOBUFS EBADF",
  fcntl = "EINVAL EMFILE EBADF",
  clone3 = "EAGAIN ENOMEM ENOSYS",
  openat = "EMFILE ENOENT ENFILE EACCES ENOMEM EINTR",
}

-- What is known, and why it is so: patterns of "PROGRAM:CALL:ERRNO:N outcome".
local KNOWN <const> = require("attack.syscalls.known")

local function read(pipe)
  local text = pipe:read("a")
  pipe:close()
  return text
end

-- A certificate for the program with TLS.
local folder <const> = read(io.popen("mktemp -d")):match("%S+")
os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s/key -out %s/cert "
  .. "-days 2 -subj /CN=localhost 2>/dev/null"):format(folder, folder))

-- The shell command that runs a program under strace with these options, and strace under `before`.
local function traced(program, options, before)
  return ("CERT=%s/cert KEY=%s/key %s strace -f -qq %s lua5.4 attack/syscalls/child.lua %s 2>&1")
    :format(folder, folder, before or "", options, program)
end

-- How often the main thread makes each call: before "/begin", and from there to "/end".
local function count_calls(program)
  local trace = os.tmpname()
  local names = {}
  for name in pairs(ERRNOS) do names[#names + 1] = "?" .. name end
  local text = read(io.popen(traced(program, ("-o %s -e trace=%s"):format(trace, table.concat(names, ",")))))
  assert(text:find("^ok"), program .. " without any failure: " .. text)
  local before, during, begun, main = {}, {}, false, nil
  for line in io.lines(trace) do
    local pid, name = line:match("^(%d+)%s+([%w_]+)%(")
    main = main or pid
    if line:find('"/end"', 1, true) then break end
    if pid == main and name then
      local counts = begun and during or before
      counts[name] = (counts[name] or 0) + 1
    end
    if line:find('"/begin"', 1, true) then begun = true end
  end
  os.remove(trace)
  return before, during
end

local function errnos_of(call)
  local list = {}
  for errno in ERRNOS[call]:gmatch("%u+") do list[#list + 1] = errno end
  return FULL and list or table.move(list, 1, 2, 1, {})
end

-- Calls fn(program, call, errno, n, when) for each failure to try: the n-th call between the marks.
local function each_failure(program, fn)
  local before, during = count_calls(program)
  local calls = {}
  for call in pairs(during) do calls[#calls + 1] = call end
  table.sort(calls)
  for _, call in ipairs(calls) do
    for _, errno in ipairs(errnos_of(call)) do
      for n = 1, math.min(during[call], DEEPEST) do fn(program, call, errno, n, (before[call] or 0) + n) end
    end
  end
end

-- With -D the program, and not strace, is what timeout kills.
local function start(failure)
  local options = ("-D -o /dev/null -e trace=%s -e inject=%s:error=%s:when=%d")
    :format(failure.call, failure.call, failure.errno, failure.when)
  return io.popen(traced(failure.program, options, "timeout -s KILL " .. LIMIT) .. "; echo status $?")
end

-- What is wrong with the outcome; nil if nothing is.
local function wrong_with(output)
  local text, status = output:match("^(.-)%s*status (%d+)%s*$")
  if status == "0" and (text:find("^ok") or text:find("^failed: ")) then return nil end
  if status == "137" then return "it hangs: " .. text end
  return ("status %s: %s"):format(status, text)
end

local function is_known(outcome)
  for _, known in ipairs(KNOWN) do
    if outcome:find(known.pattern) then
      known.used = true
      return true
    end
  end
end

local tried, found, known = 0, 0, 0

local function finish(failure)
  local output = read(failure.pipe)
  local wrong = wrong_with(output)
  tried = tried + 1
  if os.getenv("VERBOSE") then print(failure.name, output) end
  if not wrong then return end
  if is_known(failure.name .. " " .. wrong) then
    known = known + 1
    return
  end
  found = found + 1
  io.stderr:write(failure.name, " ", wrong, "\n")
end

-- Runs the failures, some at a time.
local function run(failures)
  for i, failure in ipairs(failures) do
    failure.pipe = start(failure)
    if i >= PROCESSES then finish(failures[i - PROCESSES + 1]) end
  end
  for i = math.max(#failures - PROCESSES + 2, 1), #failures do finish(failures[i]) end
end

local wanted = arg[1] or ""
local failures = {}
for _, program in ipairs(PROGRAMS) do
  if wanted == "" or wanted:match("^[^:]+") == program then
    each_failure(program, function(_, call, errno, n, when)
      local name = ("%s:%s:%s:%d"):format(program, call, errno, n)
      if (name .. ":"):find(wanted .. (wanted == "" and "" or ":"), 1, true) == 1 then
        failures[#failures + 1] = { program = program, call = call, errno = errno, n = n, when = when, name = name }
      end
    end)
  end
end
run(failures)
os.execute("rm -r " .. folder)
print(("%d failures of system calls: %d outcomes are wrong, %d of a known kind"):format(tried, found + known, known))
os.exit(found == 0)
