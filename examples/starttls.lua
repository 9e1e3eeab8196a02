-- Client and server of a protocol like SMTP: a connection starts unencrypted and continues with TLS.
--
--   lua5.4 examples/starttls.lua cert.pem key.pem

local arsenal = require("arsenal")

local commands = {}

function commands.EHLO(stream, state)
  local offer = state.protected and "250 arsenal.example\r\n" or "250-arsenal.example\r\n250 STARTTLS\r\n"
  stream:send(offer)
end

-- If the client has sent more than STARTTLS, that was not protected, and start_tls fails.
function commands.STARTTLS(stream, state)
  stream:send("220 ready to start TLS\r\n")
  arsenal.check(stream:start_tls(state.certificate))
  state.protected = true
end

function commands.MAIL(stream, state)
  stream:send(state.protected and "250 thank you\r\n" or "530 must issue a STARTTLS command first\r\n")
end

function commands.QUIT(stream)
  stream:send("221 bye\r\n")
  return true
end

local function serve(certificate)
  return function(stream)
    local state = { certificate = certificate }
    stream:send("220 arsenal.example\r\n")
    for line in stream:lines() do
      local command = commands[line:match("^%a+")]
      if not command then
        stream:send("500 what?\r\n")
      elseif command(stream, state) then
        return
      end
    end
  end
end

-- Receives and prints the lines of one answer. The last line has a space after its code.
local function answer(stream)
  repeat
    local line = arsenal.check(stream:recv_line())
    print((stream:tls_info() and "TLS   " or "plain ") .. "S: " .. line)
  until line:find("^%d+ ")
end

local function say(stream, line)
  print((stream:tls_info() and "TLS   " or "plain ") .. "C: " .. line)
  arsenal.check(stream:send(line, "\r\n"))
  answer(stream)
end

local function visit(port, authorities)
  local stream <close> = arsenal.check(arsenal.tcp.connect("127.0.0.1", port))
  answer(stream)
  say(stream, "EHLO client.example")
  say(stream, "MAIL FROM:<me@client.example>")
  say(stream, "STARTTLS")
  arsenal.check(stream:start_tls { server_name = "localhost", ca_file = authorities })
  say(stream, "EHLO client.example")
  say(stream, "MAIL FROM:<me@client.example>")
  say(stream, "QUIT")
end

local function main(cert, key)
  local listener <close> = arsenal.check(arsenal.tcp.listen("127.0.0.1", 0))
  local _, port = listener:local_address()
  arsenal.group(function(group)
    group:go(listener.serve, listener, serve { cert = cert, key = key })
    visit(port, cert)
    listener:close()
  end)
end

if #arg < 2 then
  io.stderr:write("usage: starttls.lua cert.pem key.pem (a certificate for localhost)\n")
  os.exit(2)
end
arsenal.main(main, arg[1], arg[2])
