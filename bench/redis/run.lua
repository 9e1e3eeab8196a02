-- CPU time for each command of four clients of Redis: lua-resty-redis on arsenal and inside OpenResty, and a client
-- written by hand on LuaSocket's methods and on streams. Rounds alternate; ratios are medians over the rounds.
--
--   make bench-redis

local PORT <const>, HTTP_PORT <const> = 16379, 16380 -- the latter is that of nginx.conf
local ROUNDS <const> = tonumber(arg[1]) or 9
local COMMANDS <const> = 5000 -- rounds of SET and GET of each task

local function shell(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read("a"):gsub("%s+$", ""))
end

local function start(command)
  local pipe = assert(io.popen("echo $$; exec " .. command))
  return { pipe = pipe, pid = pipe:read("n", "l") }
end

local folder = shell("mktemp -d")
local redis = start(("redis-server --port %d --save '' --dir %s --bind 127.0.0.1"):format(PORT, folder))
local nginx = start(("nginx -p %s -c %s/bench/redis/nginx.conf"):format(folder, shell("pwd")))

-- Waits until both answer.
local ready = ("redis-cli -p %d ping && curl -so /dev/null http://127.0.0.1:%d/nothing"):format(PORT, HTTP_PORT)
assert(os.execute(("for i in $(seq 50); do { %s; } >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1"):format(ready)))

local contestants <const> = {
  driver = ("lua5.4 bench/redis/driver.lua %d %d"):format(PORT, COMMANDS),
  sockets = ("lua5.4 bench/redis/sockets.lua %d %d"):format(PORT, COMMANDS),
  streams = ("lua5.4 bench/redis/streams.lua %d %d"):format(PORT, COMMANDS),
  openresty = ("curl -s 'http://127.0.0.1:%d/?port=%d&rounds=%d'"):format(HTTP_PORT, PORT, COMMANDS),
}

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

local compared <const> = { { "driver", "openresty", 1.15 }, { "sockets", "streams", 1.1 }, { "driver", "streams" } }

-- One round first, which is not counted: all programs are in memory then, and OpenResty's code is compiled.
local times, ratios = {}, {}
for round = 0, ROUNDS do
  local seconds = {}
  for name, command in pairs(contestants) do
    seconds[name] = assert(tonumber(shell(command)), name)
    times[name] = times[name] or {}
    if round > 0 then table.insert(times[name], seconds[name]) end
  end
  for i, pair in ipairs(compared) do
    ratios[i] = ratios[i] or {}
    if round > 0 then table.insert(ratios[i], seconds[pair[1]] / seconds[pair[2]]) end
  end
end

for _, name in ipairs { "driver", "openresty", "sockets", "streams" } do
  print(("%-10s %.2f us for each command"):format(name, 1e6 * median(times[name])))
end
for i, pair in ipairs(compared) do
  local target = pair[3] and (" (target: at most %.2f)"):format(pair[3]) or ""
  print(("%-7s / %-10s %.2f%s"):format(pair[1], pair[2], median(ratios[i]), target))
end

os.execute(("kill %d %d; rm -rf %s"):format(nginx.pid, redis.pid, folder))
