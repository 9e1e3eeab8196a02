-- tools/lint_layers.lua, on small trees that are made for it.

local child = require("spec.kit.child")

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

-- Makes a tree of these files, and returns the check's exit status and what it reports.
local function check(files)
  local tree = os.tmpname()
  os.remove(tree)
  for path, text in pairs(files) do
    assert(os.execute(child.command("mkdir", "-p", tree .. "/" .. path:match("(.*)/"))))
    write(tree .. "/" .. path, text)
  end
  local result = child.run(child.command("lua5.4", "tools/lint_layers.lua", tree))
  os.execute(child.command("rm", "-r", tree))
  return result.status, (result.err:gsub(tree:gsub("%p", "%%%0") .. "/", ""))
end

local function include(...)
  local lines = {}
  for i, path in ipairs { ... } do lines[i] = ('#include "%s"\n'):format(path) end
  return table.concat(lines)
end

-- The check fails and its report is these lines.
local function fails(files, ...)
  local status, report = check(files)
  assert.equal(table.concat({ ... }, "\n") .. "\n", report)
  assert.equal(1, status)
end

describe("lint_layers", function()
  it("passes a tree whose includes follow the order", function()
    local status, report = check {
      ["src/base/error.h"] = "",
      ["src/kernel/task.h"] = include("base/error.h"),
      ["src/kernel/task.c"] = include("kernel/task.h"),
      ["src/stream/transport.h"] = "",
      ["src/openssl/wire.c"] = include("base/error.h", "stream/transport.h"),
      ["src/core.c"] = include("kernel/task.h", "stream/transport.h"),
    }
    assert.equal("", report)
    assert.equal(0, status)
  end)

  it("names an include of a folder that comes later", function()
    fails({
      ["src/kernel/task.c"] = "/* Owns tasks. */\n" .. include("event/run.h"),
      ["src/event/run.h"] = "",
    }, 'src/kernel/task.c:2: includes "event/run.h", but event/ comes after kernel/ in the order of folders',
      "lint-layers: offences: 1")
  end)

  it("lets openssl/ and the core share base/ and stream/transport.h only", function()
    fails({
      ["src/openssl/wire.c"] = include("system/socket.h"),
      ["src/openssl/wire.h"] = "",
      ["src/system/socket.h"] = "",
      ["src/net/tcp.c"] = include("openssl/wire.h"),
    }, 'src/net/tcp.c:1: includes "openssl/wire.h", but openssl/ is a shared object of its own',
      'src/openssl/wire.c:1: includes "system/socket.h", but openssl/ may include base/ and stream/transport.h only',
      "lint-layers: offences: 2")
  end)

  it("names a folder that the order does not have, and a file that is not there", function()
    fails({
      ["src/util/misc.c"] = include("base/error.h"),
      ["src/base/error.h"] = include("base/absent.h"),
    }, 'src/base/error.h:1: includes "base/absent.h", which is not there',
      'src/util/misc.c:1: includes "base/error.h", but util/ is not in the order of folders',
      "lint-layers: offences: 2")
  end)

  it("names a circle of units, with the includes that close it", function()
    fails({
      ["src/net/listener.h"] = include("net/filter.h"),
      ["src/net/listener.c"] = include("net/listener.h"),
      ["src/net/filter.h"] = "",
      ["src/net/filter.c"] = include("net/filter.h", "net/listener.h"),
      ["src/net/tcp.c"] = include("net/listener.h"),
    }, "src: circle of 2 units: net/filter, net/listener",
      "    net/filter.c:2 includes net/listener.h",
      "    net/listener.h:1 includes net/filter.h",
      "lint-layers: offences: 1")
  end)

  it("names each circle of a flat folder, and of bench/load", function()
    fails({
      ["src/a.h"] = include("b.h"), ["src/b.c"] = include("c.h"), ["src/b.h"] = "", ["src/c.h"] = include("a.h"),
      ["src/tls/d.c"] = include("e.h"), ["src/tls/e.c"] = "\n" .. include("../tls/d.h"),
      ["src/tls/d.h"] = "", ["src/tls/e.h"] = "",
      ["bench/load/udp.h"] = include("load.h"), ["bench/load/load.h"] = include("udp.h"),
    }, "src: circle of 3 units: a, b, c",
      "    a.h:1 includes b.h", "    b.c:1 includes c.h", "    c.h:1 includes a.h",
      "src: circle of 2 units: tls/d, tls/e",
      "    tls/d.c:1 includes tls/e.h", "    tls/e.c:2 includes tls/d.h",
      "bench/load: circle of 2 units: load, udp",
      "    load.h:1 includes udp.h", "    udp.h:1 includes load.h",
      "lint-layers: offences: 3")
  end)

  it("names a circle of calls behind one header that declares all", function()
    fails({
      ["src/stream/stream.h"] = "void recv_step(void);\nint stream_fail(int status);\n",
      ["src/stream/stream.c"] = include("stream/stream.h") .. [[
static void end_all(void) {
    recv_step();
}

int stream_fail(int status) {
    end_all();
    return status;
}
]],
      ["src/stream/receive.c"] = include("stream/stream.h") .. [[
/* Not send_step(). */
static void end_all(void) {}

void recv_step(void) {
    end_all();
    stream_fail("send_step"[0]);
}
]],
      ["src/stream/send.c"] = include("stream/stream.h") .. "void send_step(void) {}\nvoid end_all(void) {}\n",
    }, "src: circle of 2 units: stream/receive, stream/stream",
      "    stream/receive.c:1 includes stream/stream.h",
      "    stream/receive.c uses stream_fail of stream/stream.c",
      "    stream/stream.c uses recv_step of stream/receive.c",
      "lint-layers: offences: 1")
  end)

  it("names two metatables of one name", function()
    local line <const> = 'static const char question_name[] = "arsenal.question";\n'
    fails({
      ["src/net/dns.c"] = line,
      ["src/worker/question.c"] = line,
      ["src/worker/worker.c"] = line:gsub("question", "worker"),
    }, 'src: net/dns.c and worker/question.c have metatables of the same name, "arsenal.question"',
      "lint-layers: offences: 1")
  end)

  it("names a header that would hide one of the system's", function()
    fails({
      ["src/sys/socket.h"] = "",
      ["src/base/error.h"] = "",
    }, "src/sys/socket.h: hides the system header <sys/socket.h>", "lint-layers: offences: 1")
  end)
end)
