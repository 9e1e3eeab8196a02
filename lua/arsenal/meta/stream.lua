---@meta _
-- Streams, as far as they are defined in C.

---@class (partial) arsenal.core
local core = {}

---A connection: bytes in both directions. One task may receive and several may send at the same time.
---@class (partial) arsenal.Stream
local Stream = {}

---@class arsenal.ItemOptions
---@field max? integer most bytes of the item, its delimiter or line end not counted; default 65536
---@field keep? boolean return the item with its delimiter or line end; default false

-- Receiving -------------------------------------------------------------------------------------

---Waits for some bytes. At the end of the stream it returns nil alone.
---@param max? integer most bytes to return, at least 1; default 65536
---@return string? data nil alone at the end of the stream
---@return string? message
---@return string? code "TIMEOUT", "CLOSED", "BUSY" if another task receives, or an errno's name
---@nodiscard
---@async
function Stream:recv(max) end

---Waits for `n` bytes. At the end of the stream it returns nil alone.
---@param n integer number of bytes; 0 gives "" at once
---@return string? data nil alone at the end of the stream
---@return string? message
---@return string? code "EOF" if the stream ended inside, and those of `recv`
---@return string? partial with "EOF": the bytes there were
---@nodiscard
---@async
function Stream:recv_exactly(n) end

---Waits for a line, which ends with "\n" or "\r\n". At the end of the stream it returns nil alone.
---@param options? arsenal.ItemOptions
---@return string? line without its end; nil alone at the end of the stream
---@return string? message
---@return string? code "EOF" if the stream ended inside, "TOOLONG" if it is longer than `max`, and those of `recv`
---@return string? partial with "EOF": the bytes there were
---@nodiscard
---@async
function Stream:recv_line(options) end

---Waits for the delimiter, and returns what comes before it. At the end of the stream it returns nil alone.
---@param delimiter string not empty
---@param options? arsenal.ItemOptions
---@return string? item without the delimiter; nil alone at the end of the stream
---@return string? message
---@return string? code "EOF" if the stream ended inside, "TOOLONG" if it is longer than `max`, and those of `recv`
---@return string? partial with "EOF": the bytes there were
---@nodiscard
---@async
function Stream:recv_until(delimiter, options) end

---Waits for the end of the stream, and returns everything before it.
---@param max? integer most bytes; default 64 MiB
---@return string? data "" at the end of the stream
---@return string? message
---@return string? code "TOOLONG", and those of `recv`; the bytes are still in the stream
---@nodiscard
---@async
function Stream:recv_all(max) end

---Iterates over the bytes as they come, up to 256 KiB at once, until the stream ends. A failure is raised as an error
---object.
---@return async fun(): string? next some bytes in each round
---@nodiscard
function Stream:chunks() end

---Waits for the next `n` bytes, and leaves them in the stream. At the end of the stream it returns nil alone.
---@param n integer number of bytes, 1 to 65536
---@return string? data nil alone at the end of the stream
---@return string? message
---@return string? code "EOF" if the stream ended before, and those of `recv`
---@return string? partial with "EOF": the bytes there were
---@nodiscard
---@async
function Stream:peek(n) end

---Puts bytes back, in front of what is received next.
---@param data string the bytes; may be empty
---@return true? done
---@return string? message
---@return string? code "BUSY" while a task receives, "CLOSED"
function Stream:unread(data) end

-- Sending ---------------------------------------------------------------------------------------

---Sends one message, and waits until the kernel has taken all of it. Several tasks may send: their messages go out
---whole, in order. A message that was truncated by a failure ends the sending direction.
---@param ... string|number|(string|number)[] strings and numbers, or one table of them
---@return integer? size bytes of the message
---@return string? message
---@return string? code "EPIPE", "ECONNRESET", "TIMEOUT", "CLOSED", or another errno's name
---@return integer? sent bytes that went out; 0 if the stream is as it was
---@async
function Stream:send(...) end

---Ends the sending direction, after the sends before it: the peer reads the end of the stream. A second call returns
---true.
---@return true? done
---@return string? message
---@return string? code those of `send`
---@async
function Stream:shutdown() end

---@class arsenal.CopyOptions
---@field max? integer most bytes to copy; default: no limit

---Copies what comes on `from` to `to` until `from` ends, without making Lua strings. A failure loses nothing: what was
---read and not sent is still in `from`.
---@param from arsenal.Stream the stream to receive from
---@param to arsenal.Stream the stream to send to; may be the same one
---@param options? arsenal.CopyOptions
---@return integer? count bytes copied
---@return string? message begins with "copy from" or "copy to", which tells the stream that failed
---@return string? code "BUSY" if another task receives on `from`; those of `recv` and `send`
---@return integer? sent bytes that were sent
---@return arsenal.Stream? failed the stream that failed, `from` or `to`
---@async
function core.copy(from, to, options) end

-- Handles ----------------------------------------------------------------------------------------

---Sends bytes on a Unix stream, and handles along with the first of them: streams, listeners, datagram sockets, numbers
---of descriptors. The sender's own stay open. Otherwise it is as `send`.
---@param data string at least one byte
---@param list (arsenal.Stream|arsenal.Listener|arsenal.DatagramSocket|arsenal.UnixDatagramSocket|integer)[] at most 253
---@return integer? size bytes that were sent
---@return string? message
---@return string? code "ENOTSUP" for other streams, "BUSY" for an object that holds unreceived data, "CLOSED", …
---@return integer? sent bytes that went out before the failure
---@async
function Stream:send_handles(data, list) end

---Waits for the next bytes on a Unix stream, and returns the handles that came with them: objects, and numbers for what
---is no socket. They are closed on exec, and belong to the caller.
---@param max? integer most handles; if more come, all of them are closed, and the call fails; default 253
---@return string? data nil at the end of the stream
---@return table|string|nil list of streams, listeners, datagram sockets and numbers; or the message
---@return string? code "TOOLONG", "EMFILE" if descriptors have run out, "ENOTSUP" for other streams, "TIMEOUT", …
---@return string? bytes with "TOOLONG" and "EMFILE": those that have come
---@nodiscard
---@async
function Stream:recv_handles(max) end

-- Closing ---------------------------------------------------------------------------------------

---Closes the stream. What `send` has returned for is delivered. Calls that wait on the stream end with "CLOSED".
---@return true
function Stream:close() end

---Closes the stream with a reset. Bytes on their way may be lost.
---@return true
function Stream:reset() end

-- Settings --------------------------------------------------------------------------------------

---Sets a time limit for each later call that waits on this stream, for the call as a whole.
---@param seconds number|{ recv: number?, send: number? }|nil nil: no limit; a table sets one direction, or both
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function Stream:set_timeout(seconds) end

---Sets an option of the socket.
---@param name "nodelay"|"keepalive"|"send_buffer"|"recv_buffer"
---@param value boolean|integer keepalive: seconds of silence, 1 to 32767, or false; buffers: bytes; nodelay: boolean
---@return true? done
---@return string? message
---@return string? code "ENOTSUP" and other errnos' names, "CLOSED"
function Stream:set_option(name, value) end

---Returns the address of this end.
---@return string? host numeric; of a Unix stream the path, "" if it has none
---@return integer|string|nil port or the message
---@return string? code "CLOSED" or an errno's name
---@nodiscard
function Stream:local_address() end

---Returns the address of the peer.
---@return string? host numeric; of a Unix stream the path, "" if it has none
---@return integer|string|nil port or the message
---@return string? code "CLOSED" or an errno's name
---@nodiscard
function Stream:remote_address() end

---@class arsenal.Credentials
---@field uid integer user
---@field gid integer group of the user
---@field pid? integer process, if the system reports it

---Returns the process at the other end of a Unix stream, as it was when it connected.
---@return arsenal.Credentials? credentials
---@return string? message
---@return string? code "ENOTSUP" for other streams, "CLOSED"
---@nodiscard
function Stream:peer_credentials() end

---Returns the descriptor, which the stream still owns.
---@return integer? fd
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
function Stream:fd() end

---@class arsenal.StreamStats
---@field received integer bytes received
---@field sent integer bytes sent

---Returns the bytes in each direction so far, also of a closed stream.
---@return arsenal.StreamStats
---@nodiscard
function Stream:stats() end
