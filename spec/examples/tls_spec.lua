-- examples/: those with TLS, as a user runs them.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local example = require("spec.kit.example")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

local function start(name, ...)
  return example.start(name, nil, ...)
end

describe("examples/tls_echo.lua", function()
  it("sends back what clients send, and reads its certificate anew at SIGHUP", inside(function()
    local first, second = certificates.of("localhost"), certificates.of("rsa")
    local cert = certificates.file("echo.pem", certificates.read(first.cert))
    local key = certificates.file("echo.key", certificates.read(first.key))
    local program <close> = start("tls_echo", cert, key, "127.0.0.1", 0)
    local port = math.tointeger(program:expect("127%.0%.0%.1:(%d+)"))
    local before <close> = assert(arsenal.tls.connect("127.0.0.1", port, tls_kit.client_options()))
    assert.equal("CN=localhost", before:tls_info().certificate.subject)

    certificates.file("echo.pem", certificates.read(second.cert))
    certificates.file("echo.key", certificates.read(second.key))
    program:signal("HUP")
    program:expect("was read")
    local after <close> = assert(arsenal.tls.connect("127.0.0.1", port, tls_kit.client_options()))
    assert.equal("CN=rsa", after:tls_info().certificate.subject)

    for _, stream in ipairs { before, after } do
      stream:send("hello")
      stream:shutdown()
      assert.equal("hello", stream:recv_all())
    end
    program:signal("INT")
    local result = program:finish()
    assert.same({ "", 2 }, { result.err, result.signal })
  end))
end)

describe("examples/https_get.lua", function()
  local function fetched(answer, name)
    local listener <close> = tls_kit.listen(nil, name)
    local serving = arsenal.go(listener.serve, listener, function(stream)
      assert(stream:recv_until("\r\n\r\n"):find("^GET /page HTTP/1.1\r\nhost: localhost\r\n"))
      stream:send(answer)
    end)
    local url = ("https://localhost:%d/page"):format(kit.port_of(listener))
    local program = start("https_get", url, certificates.trusted())
    local result = program:finish()
    listener:close()
    serving:join()
    return result
  end

  it("prints a page, whichever way its end is told", inside(function()
    for _, answer in ipairs {
      "content-length: 6\r\n\r\nhello\n", "\r\nhello\n", "transfer-encoding: chunked\r\n\r\n6\r\nhello\n\r\n0\r\n\r\n",
    } do
      local result = fetched("HTTP/1.1 200 OK\r\n" .. answer)
      assert.same({ "hello\n", 0 }, { result.out, result.status }, result.err)
      assert.matches("TLS 1%.3.*CN=localhost\nHTTP/1%.1 200 OK\n", result.err)
    end
  end))

  it("refuses a server with another's certificate", inside(function()
    local result = fetched("HTTP/1.1 200 OK\r\n\r\nnever\n", "other")
    assert.same({ "", 1 }, { result.out, result.status })
    assert.matches("certificate refused: it is for other.example", result.err)
  end))
end)

describe("examples/starttls.lua", function()
  it("goes from plain to TLS in the middle", inside(function()
    local made = certificates.of("localhost")
    local result = start("starttls", made.cert, made.key):finish()
    assert.same({ 0, "" }, { result.status, result.err })
    assert.matches("plain S: 530 must issue a STARTTLS", result.out)
    assert.matches("plain S: 220 ready to start TLS\nTLS   C: EHLO", result.out)
    assert.matches("TLS   S: 250 thank you", result.out)
    assert.matches("TLS   S: 221 bye\n$", result.out)
  end))
end)
