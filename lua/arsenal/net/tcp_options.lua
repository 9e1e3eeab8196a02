-- The options of TCP, which TLS has too: the kind of value of each, for arguments.options in
-- arsenal.internal.arguments.

local arguments = require("arsenal.internal.arguments")

local options = {}

options.connect = {
  timeout = "seconds",
  nodelay = "boolean",
  keepalive = "keepalive",
  local_address = "string",
  local_port = "port",
  family = arguments.one_of("inet", "inet6"),
}

options.listen = {
  backlog = "count",
  reuseport = "boolean",
  ipv6only = "boolean",
  nodelay = "boolean",
  keepalive = "keepalive",
}

return options
