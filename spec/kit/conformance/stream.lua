-- behaves_like_a_stream(make_pair [, options]): what section 4 of the contract promises of every
-- stream, whatever it runs over. `make_pair()` is called inside the loop and returns two connected
-- streams. Options name what a family lacks: `half_close = false`, `reset = false`; `relayed`: bytes arrive later than
-- they are sent;
-- `torn_end` is the code that ends a stream after a torn message, where that is no plain end.

local busted = require("busted")
local kit = require("spec.kit")

local parts <const> = {
  "spec.kit.conformance.stream_receiving",
  "spec.kit.conformance.stream_items",
  "spec.kit.conformance.stream_sending",
  "spec.kit.conformance.stream_ending",
  "spec.kit.conformance.stream_limits",
  "spec.kit.conformance.stream_copying",
}

return function(make_pair, options)
  -- it(title, function(a, b) ... end) with a fresh pair, closed afterwards.
  local function it(title, body)
    busted.it(title, kit.inside(function()
      local a, b = make_pair()
      kit.closing_both(a, b, body)
    end))
  end
  busted.describe("behaves like a stream:", function()
    for _, part in ipairs(parts) do
      require(part)(it, options or {}, make_pair)
    end
  end)
end
