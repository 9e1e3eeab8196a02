-- src/openssl/records.c under src/stream.c: the conformance suites on TLS 1.2 and 1.3, and how TLS
-- streams end.

local behaves_like_a_handle = require("spec.conformance.handle")
local behaves_like_a_listener = require("spec.conformance.listener")
local behaves_like_a_stream = require("spec.conformance.stream")
local tls_kit = require("spec.tls_kit")

for _, version in ipairs(tls_kit.versions) do
  local only_it <const> = { server = { max_version = version }, client = { min_version = version } }

  local function pair()
    return tls_kit.pair(only_it)
  end

  describe("a TLS " .. version .. " stream", function()
    behaves_like_a_stream(pair, { torn_end = "TLS" })

    local peers = setmetatable({}, { __mode = "k" })

    behaves_like_a_handle(function()
      local stream, peer = pair()
      peers[stream] = peer
      return stream
    end, {
      text = "^tls stream 127%.0%.0%.1:%d+ %-> 127%.0%.0%.1:%d+",
      calls = { recv = {}, send = { "x" }, shutdown = {}, tls_info = {}, fd = {}, stats = {}, close = {} },
    })
  end)

  describe("a TLS " .. version .. " listener", function()
    behaves_like_a_listener(function(options)
      return tls_kit.listen(options)
    end, function(listener)
      return tls_kit.eager_client(listener, { max_version = version })
    end)
  end)
end
