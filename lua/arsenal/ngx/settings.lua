-- What OpenResty reads from nginx's configuration, as a table that programs may change at any time. The defaults are
-- nginx's, except that a certificate is verified if no argument says otherwise.

---@class arsenal.ngx.Settings
---@field socket_connect_timeout number milliseconds (lua_socket_connect_timeout); default 60000
---@field socket_send_timeout number milliseconds (lua_socket_send_timeout); default 60000
---@field socket_read_timeout number milliseconds (lua_socket_read_timeout); default 60000
---@field socket_keepalive_timeout number milliseconds (lua_socket_keepalive_timeout); 0 is no limit; default 60000
---@field socket_pool_size integer idle connections of a pool (lua_socket_pool_size); default 30
---@field ssl_trusted_certificate? string file of authorities (lua_ssl_trusted_certificate); default: the system's
---@field regex_match_limit integer steps of a match after which it is given up (lua_regex_match_limit); default 2000000
---@field log_level integer the least important level that is logged; default `ngx.ERR`
---@field log? fun(level: integer, text: string) takes each line of the log; default: it is written to stderr
---@field worker_id integer what `ngx.worker.id` returns; default 0
---@field worker_count integer what `ngx.worker.count` returns; default 1
local settings = {
  socket_connect_timeout = 60000,
  socket_send_timeout = 60000,
  socket_read_timeout = 60000,
  socket_keepalive_timeout = 60000,
  socket_pool_size = 30,
  regex_match_limit = 2000000,
  log_level = 4,
  worker_id = 0,
  worker_count = 1,
}

return settings
