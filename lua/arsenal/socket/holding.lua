-- What an object of socket.tcp or socket.unix holds. It begins as a master, which has at most a bare socket (`bare`);
-- then it is a client (`stream`, or `bare` while it connects) or a server (`listener`).

local core = require("arsenal.core")
local limits = require("arsenal.socket.limits")

local holding = {}

-- The key at which core finds the stream of an object whose calls it can make: see src/stream/face.h.
local FACE_STREAM <const> = 1

-- Returns what has the object's descriptor, or nil.
function holding.holder(self)
  return self.stream or self.bare or self.listener
end

-- Gives the stream the object's limits. Core makes the calls that have one limit for all their waits.
function holding.apply_limits(self)
  local stream = self.stream
  if stream then stream:set_timeout(limits.of(self)) end
  self[FACE_STREAM] = not limits.are_two(self) and not self.receive_ended and stream or nil
end

-- Gives a new object a stream that was accepted.
function holding.hold_accepted(self, stream)
  core.stream_make_resumable(stream)
  self.stream, self[FACE_STREAM] = stream, stream
end

-- The bare socket is connected: from here on it is a stream. Returns that.
function holding.become_stream(self)
  self.stream = core.check(self.bare:stream())
  self.bare, self.connecting = nil, nil
  holding.apply_limits(self)
  return self.stream
end

-- The bare socket listens, or is to listen: from here on it is a listener.
function holding.become_listener(self)
  self.listener, self.bare = core.check(self.bare:listener()), nil
end

-- The object lets go of what it holds, which its caller has closed or released.
function holding.forget(self)
  self.stream, self.bare, self.listener, self.connecting = nil, nil, nil, nil
  self[FACE_STREAM] = nil
end

return holding
