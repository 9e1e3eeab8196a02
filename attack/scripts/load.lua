-- The modules are loaded while things go wrong, in a state that has none of them.

return {
  is_plain = true,
  main = function()
    local arsenal = require("arsenal")
    return arsenal.tls == nil
  end,
}
