-- Scans a TLS server of ours with testssl.sh and sslscan, and OpenSSL's own server with the same settings. Every
-- verdict has to be good, and what they find has to be the same, but for the differences listed here.
--
--   lua5.4 attack/tls/scan.lua
--
-- FULL=1: with all parts of testssl.sh, which take three minutes for each server; otherwise with the quick ones.

local FULL <const> = os.getenv("FULL") == "1"
local QUICK_PARTS <const> = { "-p", "-H -I -T -R -C -Z" }
local ALL_PARTS <const> = { "-p", "-s", "-f", "-P", "-S", "-U", "-g", "-c" }

-- The settings of ours, for s_server.
local SAME_SETTINGS <const> = "-groups X25519:P-256:P-384:P-521 -cipher ECDHE+AESGCM:ECDHE+CHACHA20 "
  .. "-min_protocol TLSv1.2 -no_renegotiation -no_comp -serverpref -prioritize_chacha"

-- What may be found although it is no good verdict: names of findings of testssl.sh, and why.
local ALLOWED <const> = {
  cert_chain_of_trust = "the certificate is made here, and signed by itself",
  cert_revocation = "the same",
  engine_problem = "of testssl.sh's own OpenSSL",
}

-- What may differ from s_server, and why: names of findings.
local DIFFERENT <const> = {
  engine_problem = "no finding",
  HTTP_clock_skew = "no finding",
  sessionresumption_ID = "we keep no sessions: tickets need no memory here",
  SSL_sessionID_support = "the same",
  TLS_extensions = "the order of extensions, and those of the finite-field groups",
  cert_serialNumber = "the same certificate, of no interest",
}

-- Findings that have to be there, with these beginnings: the scan has worked, and is no empty list.
local REQUIRED <const> = {
  SSLv2 = "not offered", SSLv3 = "not offered", TLS1 = "not offered", TLS1_1 = "not offered",
  TLS1_2 = "offered", TLS1_3 = "offered", heartbleed = "not vulnerable", CCS = "not vulnerable",
  ticketbleed = "not vulnerable", secure_renego = "supported", secure_client_renego = "not vulnerable",
  CRIME_TLS = "not vulnerable", fallback_SCSV = "no protocol below TLS 1.2",
}

local problems = {}
local function problem(...)
  problems[#problems + 1] = string.format(...)
end

local function read(command)
  local pipe <close> = io.popen(command)
  return pipe:read("a")
end

local folder <const> = read("mktemp -d"):match("%S+")

local function make_certificate()
  return os.execute(("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key "
    .. "-out cert -days 90 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null")
    :format(folder))
end

-- --- servers ---

-- Starts a command whose output names a port in the first line that matches.
local function start(command, pattern)
  local server = { output = io.popen(("echo $$; exec %s 2>/dev/null"):format(command)) }
  server.pid = server.output:read("l")
  for line in server.output:lines() do
    server.port = line:match(pattern)
    if server.port then return server end
  end
  error(command .. " did not start")
end

local function stop(server)
  os.execute("kill " .. server.pid)
  server.output:close()
end

local function start_ours()
  return start(("lua5.4 attack/tls/server.lua %s/cert %s/key"):format(folder, folder), "^(%d+)$")
end

-- Without -www it would wait for lines on its stdin.
local function start_openssl()
  return start(("openssl s_server -accept 127.0.0.1:0 -cert %s/cert -key %s/key -www %s </dev/null"):format(folder,
    folder, SAME_SETTINGS), "^ACCEPT .*:(%d+)")
end

-- --- testssl.sh ---

local function testssl_command(server, name)
  local lines = {}
  for _, part in ipairs(FULL and ALL_PARTS or QUICK_PARTS) do
    lines[#lines + 1] = ("testssl --quiet --color 0 --nodns none --warnings off --append --csvfile %s/%s.csv %s "
      .. "127.0.0.1:%s >/dev/null 2>&1"):format(folder, name, part, server.port)
  end
  return table.concat(lines, "; ")
end

-- The findings in a file of testssl.sh: { name = { severity =, finding = } }.
local function findings_in(name)
  local findings = {}
  for line in io.lines(("%s/%s.csv"):format(folder, name)) do
    local fields = {}
    for field in line:gmatch('"(.-)"') do fields[#fields + 1] = field end
    if fields[1] ~= "id" then findings[fields[1]] = { severity = fields[4], finding = fields[5] } end
  end
  return findings
end

local function check_verdicts(findings)
  for name, beginning in pairs(REQUIRED) do
    local found = findings[name]
    if not found then
      problem("testssl.sh: no finding '%s'", name)
    elseif found.finding:find(beginning, 1, true) ~= 1 then
      problem("testssl.sh: %s: %s", name, found.finding)
    end
  end
  for name, found in pairs(findings) do
    local good = found.severity == "OK" or found.severity == "INFO"
    if not good and not ALLOWED[name] then
      problem("testssl.sh: %s is %s: %s", name, found.severity, found.finding)
    end
  end
end

local function text_of(found)
  return found and ("%s (%s)"):format(found.finding, found.severity) or "no finding"
end

local function compare_findings(ours, theirs)
  local names = {}
  for _, list in ipairs { ours, theirs } do
    for name in pairs(list) do names[name] = true end
  end
  for name in pairs(names) do
    local a, b = text_of(ours[name]), text_of(theirs[name])
    if a ~= b and not DIFFERENT[name] then problem("testssl.sh: %s is '%s', of s_server '%s'", name, a, b) end
  end
end

-- --- sslscan ---

local function sslscan(server)
  local text = read("sslscan --no-colour --show-sigs 127.0.0.1:" .. server.port)
  return (text:gsub("127%.0%.0%.1:?%d*", "HOST"):gsub("on port %d+", ""):gsub("Not valid %a+:[^\n]*\n", ""))
end

local function check_sslscan(ours, theirs)
  local all_wrong = { "SSLv2 +enabled", "SSLv3 +enabled", "TLSv1%.[01] +enabled", "Insecure", "Compression enabled" }
  for _, wrong in ipairs(all_wrong) do
    if ours:find(wrong) then problem("sslscan: %s", ours:match("[^\n]*" .. wrong .. "[^\n]*")) end
  end
  if not ours:find("TLSv1%.3 +enabled") then problem("sslscan has not found TLS 1.3") end
  if ours ~= theirs then problem("sslscan: ours is\n%s\nthat of s_server is\n%s", ours, theirs) end
end

-- --- all of it ---

assert(make_certificate())
local ours, theirs = start_ours(), start_openssl()
local scan <const> = io.popen(testssl_command(ours, "ours"))
os.execute(testssl_command(theirs, "theirs"))
scan:close()
check_verdicts(findings_in("ours"))
compare_findings(findings_in("ours"), findings_in("theirs"))
check_sslscan(sslscan(ours), sslscan(theirs))
stop(ours)
stop(theirs)
os.execute("rm -r " .. folder)

table.sort(problems)
for _, text in ipairs(problems) do io.stderr:write(text, "\n") end
print(#problems == 0 and "scan: every verdict is good, and as that of s_server" or "scan: see above")
os.exit(#problems == 0)
