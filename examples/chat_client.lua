-- A client for examples/chat.lua: sends what is typed, and prints what the others write. One task reads from the
-- terminal and from the connection, whichever has something first.
--
--   lua5.4 examples/chat_client.lua [host [port]]

local arsenal = require("arsenal")

local function main(host, port)
  local server <close> = arsenal.check(arsenal.tcp.connect(host, port))
  local keyboard, screen = arsenal.stdin, arsenal.stdout
  local cases = { keyboard, server }
  while true do
    local from, data, message = arsenal.select(cases) -- a terminal gives a line at a time
    if from == server then
      if not data then
        arsenal.stderr:send(message or "the server has closed the connection", "\n")
        return
      end
      arsenal.check(screen:send(data))
    elseif data then
      arsenal.check(server:send(data))
    else
      server:shutdown() -- no more is typed (Ctrl-D); what still comes is printed
      cases = { server }
    end
  end
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 7000))
