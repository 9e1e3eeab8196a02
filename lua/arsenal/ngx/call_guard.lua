-- Guards of calls: to-be-closed values for calls of cosockets that may not return, because of a cancellation or because
-- their coroutine is closed.

local Guard = {}
Guard.__index = Guard

function Guard:__close()
  if not self.has_returned then self.cut(self.socket) end
end

-- Returns the call's results, and notes that it has returned.
function Guard:results(...)
  self.has_returned = true
  return ...
end

-- Returns a guard of a call of the socket, which calls cut(socket) unless the call returns.
return function(socket, cut)
  return setmetatable({ socket = socket, cut = cut, has_returned = false }, Guard)
end
