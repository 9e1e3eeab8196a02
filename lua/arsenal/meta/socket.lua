---@meta _
-- The annotations of the objects of arsenal.socket and arsenal.ssl, which are LuaSocket's and LuaSec's. A failure is
-- nil, or false, and a word.

---A TCP or Unix socket. It begins as a master; `connect` makes it a client, and `listen` a server.
---@class arsenal.socket.Tcp
local Tcp = {}

---Binds it to an address, or to a path. `setsockname` is the same.
---@param host string a name, a numeric address, "*", or the path
---@param port? string|integer a number, or the name of a service
---@return number? done 1
---@return string? word
---@async
function Tcp:bind(host, port) end

---Makes it a server.
---@param backlog? integer default: 32
---@return number? done 1
---@return string? word
function Tcp:listen(backlog) end

---Connects it to the first of the host's addresses that accepts. `setpeername` is the same.
---@param host string a name, a numeric address, or the path
---@param port? string|integer
---@return number? done 1
---@return string? word "timeout": it goes on, and the socket is writable when it has ended
---@async
function Tcp:connect(host, port) end

---Waits for the next client of a server.
---@return arsenal.socket.Tcp? client
---@return string? word
---@async
function Tcp:accept() end

---Receives a line, a number of bytes, or everything up to the end. A call that is cancelled leaves its bytes for the
---next one.
---@param pattern? "*l"|"*a"|"l"|"a"|integer default: "*l"
---@param prefix? string what comes before; it counts
---@param maxsize? integer most bytes, with the prefix
---@return string? data
---@return string? word "closed", "timeout", "oversized", …
---@return string? partial what was received, with the prefix
---@async
function Tcp:receive(pattern, prefix, maxsize) end

---Sends the bytes from `i` to `j`. A call that is cancelled in the middle ends the sending direction.
---@param data string|number
---@param i? integer as of string.sub; default: 1
---@param j? integer default: -1
---@return number? last the index of the last byte sent
---@return string? word
---@return number? partial the index of the last byte sent
---@async
function Tcp:send(data, i, j) end

---Ends a direction.
---@param how? "both"|"send"|"receive" default: "both"
---@return number done 1
function Tcp:shutdown(how) end

---Closes it. It never waits.
---@return number done 1
function Tcp:close() end

---Sets a time limit of later calls.
---@param seconds? number negative or nil: none; 0: calls do not wait
---@param mode? "b"|"t" "b": of a call, or, where both are set, of each of its waits; "t": of a call as a whole
---@return number done 1
function Tcp:settimeout(seconds, mode) end

---Returns the time limits.
---@return number block of the mode "b"; negative: none
---@return number total of the mode "t"; negative: none
function Tcp:gettimeout() end

---Returns whether bytes have been read and not received.
---@return boolean is_dirty
function Tcp:dirty() end

---Returns the descriptor.
---@return number fd -1 if there is none
function Tcp:getfd() end

---Replaces the descriptor. The one that it had stays open, except for a server's.
---@param fd integer negative: none
function Tcp:setfd(fd) end

---Returns the value of an option.
---@param name string see docs/reference/socket.md
---@return any value
---@return string? word
function Tcp:getoption(name) end

---Sets an option.
---@param name string see docs/reference/socket.md
---@param value any
---@return number? done 1
---@return string? word
function Tcp:setoption(name, value) end

---Returns the address of this end.
---@return string? host or the path
---@return string? port a number as a string; or the word
---@return string? family
function Tcp:getsockname() end

---Returns the address of the other end.
---@return string? host or the path
---@return integer|string|nil port or the word
---@return string? family
function Tcp:getpeername() end

---Returns the family of the addresses.
---@return "inet4"|"inet6"|"unix" family
function Tcp:getfamily() end

---Returns how much has been received and sent, and the age.
---@return number received bytes
---@return number sent bytes
---@return number age seconds
function Tcp:getstats() end

---Sets what `getstats` counts from.
---@param received? number bytes
---@param sent? number bytes
---@param age? number seconds
---@return number done 1
function Tcp:setstats(received, sent, age) end

---Binds it: `bind`.
---@param host string
---@param port? string|integer
---@return number? done 1
---@return string? word
---@async
function Tcp:setsockname(host, port) end

---Connects it: `connect`.
---@param host string
---@param port? string|integer
---@return number? done 1
---@return string? word
---@async
function Tcp:setpeername(host, port) end

---A UDP socket. `setpeername` makes it a connected one, and `setpeername("*")` undoes that.
---@class arsenal.socket.Udp
local Udp = {}

---Binds it to an address.
---@param host string a name, a numeric address, or "*"
---@param port string|integer
---@return number? done 1
---@return string? word
---@async
function Udp:setsockname(host, port) end

---Sets its peer.
---@param host string a name, a numeric address, or "*" for none
---@param port? string|integer
---@return number? done 1
---@return string? word
---@async
function Udp:setpeername(host, port) end

---Sends a datagram to the peer.
---@param data string
---@return number? size
---@return string? word
---@async
function Udp:send(data) end

---Sends a datagram to an address.
---@param data string
---@param host string
---@param port string|integer
---@return number? size
---@return string? word
---@async
function Udp:sendto(data, host, port) end

---Waits for a datagram.
---@param size? integer most bytes; the rest is lost; default: 8192
---@return string? data
---@return string? word
---@async
function Udp:receive(size) end

---Waits for a datagram, and returns its sender too.
---@param size? integer most bytes; the rest is lost; default: 8192
---@return string? data
---@return string? host or the word
---@return integer? port
---@async
function Udp:receivefrom(size) end

---Closes it.
---@return number done 1
function Udp:close() end

---Sets a time limit of later calls.
---@param seconds? number negative or nil: none; 0: calls do not wait
---@param mode? "b"|"t"
---@return number done 1
function Udp:settimeout(seconds, mode) end

---Returns the time limits.
---@return number block
---@return number total
function Udp:gettimeout() end

---Returns false.
---@return boolean is_dirty
function Udp:dirty() end

---Returns the descriptor.
---@return number fd -1 if there is none
function Udp:getfd() end

---Replaces the descriptor. The one that it had stays open.
---@param fd integer negative: none
function Udp:setfd(fd) end

---Returns the value of an option.
---@param option string see docs/reference/socket.md
---@return any value
---@return string? word
function Udp:getoption(option) end

---Sets an option.
---@param option string see docs/reference/socket.md
---@param value any
---@return number? done 1
---@return string? word
function Udp:setoption(option, value) end

---Returns the address of this end.
---@return string? host
---@return string? port a number as a string; or the word
---@return string? family
function Udp:getsockname() end

---Returns the address of the peer.
---@return string? host
---@return integer|string|nil port or the word
---@return string? family
function Udp:getpeername() end

---Returns the family of the addresses.
---@return "inet4"|"inet6" family
function Udp:getfamily() end

---A TLS connection.
---@class arsenal.ssl.Connection
local Connection = {}

---Makes the handshake.
---@return boolean done
---@return string? word "wantread" or "wantwrite" when time is up: call it again; others: it has failed
---@async
function Connection:dohandshake() end

---Receives a line, a number of bytes, or everything up to the end. A call that is cancelled leaves its bytes for the
---next one.
---@param pattern? "*l"|"*a"|"l"|"a"|integer default: "*l"
---@param prefix? string what comes before; it counts
---@return string? data
---@return string? word "closed", "wantread" when time is up, …
---@return string? partial what was received, with the prefix
---@async
function Connection:receive(pattern, prefix) end

---Sends the bytes from `i` to `j`. Several tasks may send: whole messages, in order. After a call that was cancelled in
---the middle, later ones are "closed".
---@param data string|number
---@param i? integer as of string.sub; default: 1
---@param j? integer default: -1
---@return number? last the index of the last byte sent
---@return string? word "closed", "wantwrite" when time is up, …
---@return number? partial the index of the last byte sent
---@async
function Connection:send(data, i, j) end

---Says goodbye to the peer, and closes it. It waits until the goodbye can be written, no longer than its limit, or 10
---seconds without one.
---@async
function Connection:close() end

---Sets a time limit of later calls.
---@param seconds? number negative or nil: none; 0: calls do not wait
---@param mode? "b"|"t"
---@return number done 1
function Connection:settimeout(seconds, mode) end

---Returns the time limits.
---@return number block
---@return number total
function Connection:gettimeout() end

---Returns whether bytes have been decrypted, or read, and not received.
---@return boolean is_dirty
function Connection:dirty() end

---Returns what the last call has to wait for.
---@return "nothing"|"read"|"write"|"x509lookup" direction
function Connection:want() end

---Returns the descriptor.
---@return number fd -1 if there is none
function Connection:getfd() end

---A client tells the name of the server that it wants; a server chooses its context by the name.
---@param name string|table<string, userdata> of a client: the name; of a server: the contexts by name
---@param is_strict? boolean of a server: other names fail the handshake
function Connection:sni(name, is_strict) end

---Returns the name that the client has sent.
---@return string? name
function Connection:getsniname() end

---Returns the protocol that both ends have agreed on.
---@return string? protocol
function Connection:getalpn() end

---Returns facts about the connection, or one of them.
---@param field? "protocol"|"cipher"|"bits"|"algbits"|"key"|"authentication"|"encryption"|"mac"|"export"|"compression"
---@return any info
---@return string? word
function Connection:info(field) end

---Returns a certificate of the peer.
---@param index? integer its place in the chain; default: 1, the peer's own
---@return userdata? certificate LuaSec's
---@return string? word
function Connection:getpeercertificate(index) end

---Returns the certificates that the peer has shown.
---@return userdata[]? chain
---@return string? word
function Connection:getpeerchain() end

---Returns whether the peer's certificate is good.
---@return boolean is_good
---@return string|table|nil errors
function Connection:getpeerverification() end

---Returns the Finished message of this end.
---@return string? data
---@return string? word
function Connection:getfinished() end

---Returns the Finished message of the other end.
---@return string? data
---@return string? word
function Connection:getpeerfinished() end

---Returns bytes that only both ends know.
---@param label string
---@param size integer bytes
---@param context? string
---@return string? data
---@return string? word
function Connection:exportkeyingmaterial(label, size, context) end

---Makes it accept what DNS says of the server (DANE).
---@param name string of the server
---@return boolean done
function Connection:setdane(name) end

---Adds a TLSA record.
---@param usage integer
---@param selector integer
---@param kind integer
---@param data string
---@return boolean done
function Connection:settlsa(usage, selector, kind, data) end

---Returns how much has been received and sent, and the age.
---@return number received bytes
---@return number sent bytes
---@return number age seconds
function Connection:getstats() end

---Sets what `getstats` counts from.
---@param received? number bytes
---@param sent? number bytes
---@param age? number seconds
---@return number done 1
function Connection:setstats(received, sent, age) end

---@class (partial) arsenal.socket.Module
---@field _VERSION string of LuaSocket, which it is like
---@field BLOCKSIZE integer bytes that sources receive at once
---@field _SETSIZE integer
---@field _DATAGRAMSIZE integer bytes of a datagram that `receive` returns by default
---@field _SOCKETINVALID integer
---@field tcp fun(): arsenal.socket.Tcp
---@field tcp4 fun(): arsenal.socket.Tcp?, string?
---@field tcp6 fun(): arsenal.socket.Tcp?, string?
---@field udp fun(): arsenal.socket.Udp
---@field udp4 fun(): arsenal.socket.Udp?, string?
---@field udp6 fun(): arsenal.socket.Udp?, string?
---@field connect fun(host: string, port: string|integer, ...: string|integer|nil): arsenal.socket.Tcp?, string?
---@field select fun(receivers: table?, senders: table?, seconds: number?): table, table, string?
---@field gettime fun(): number
---@field newtry fun(finalizer: function?): function
---@field try fun(...: any): any
---@field protect fun(fn: function): function
---@field skip fun(n: integer, ...: any): any
---@field choose fun(functions: table<string, function>): function
---@field sink fun(name: string?, socket: table): any
---@field source fun(name: string?, socket: table, length: integer?): any
---@field sinkt table<string, function>
---@field sourcet table<string, function>
---@field dns table
