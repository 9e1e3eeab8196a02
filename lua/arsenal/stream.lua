-- What streams do beyond the C core's methods.

local core = require("arsenal.core")
local arguments = require("arsenal.arguments")

---@class arsenal.Stream
local Stream = core.stream_methods

local line_options = { max = "size", keep = "boolean" }

---Iterates over the lines, the last one without a newline included; raises an
---error object on failure.
---@param options? { max: integer?, keep: boolean? }
---@return fun(): string?
function Stream:lines(options)
  arguments.self(self, "stream", "lines")
  arguments.options(options, line_options, 1, "lines")
  return function()
    local line, message, code, partial = self:recv_line(options)
    if line or not message then return line end
    if code == "EOF" then return partial end
    return core.check(nil, message, code)
  end
end

return Stream
