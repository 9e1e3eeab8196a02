-- Values for <close> variables.

local closing = {}

-- Calls fn(err) when its block is left.
function closing.call(fn)
  return setmetatable({}, { __close = function(_, err) fn(err) end })
end

-- Closes the object if its block is left by an error or a cancellation.
function closing.on_error(object)
  return closing.call(function(err)
    if err ~= nil then object:close() end
  end)
end

-- Closes each object of the list, also of those that are added later.
function closing.all(list)
  return closing.call(function()
    for _, object in ipairs(list) do object:close() end
  end)
end

return closing
