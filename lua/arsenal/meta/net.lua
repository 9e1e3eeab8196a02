---@meta _
-- Listeners, datagram sockets and names, as far as they are defined in C.

---@class (partial) arsenal.core
local core = {}

---@class arsenal.ConnectOptions
---@field timeout? number seconds for the whole call, the lookup of the name included; default: no limit
---@field nodelay? boolean send small pieces at once, as `TCP_NODELAY` does; default true
---@field keepalive? number|false seconds of silence, 1 to 32767, after which the kernel probes the peer; default false
---@field local_address? string numeric address of this end; default: chosen by the system
---@field local_port? integer port of this end, 0 to 65535; default: chosen by the system
---@field family? "inet"|"inet6" address family: IPv4 or IPv6; default both

---@class arsenal.ListenOptions
---@field backlog? integer connections that the kernel keeps until they are accepted; default 511
---@field reuseport? boolean several sockets may listen on the port; Linux shares the connections out; default false
---@field ipv6only? boolean an IPv6 listener accepts no IPv4 connections; default false
---@field nodelay? boolean of accepted streams: send small pieces at once; default true
---@field keepalive? number|false of accepted streams, as for `connect`; default false

-- Listeners -------------------------------------------------------------------------------------

---Accepts connections.
---@class (partial) arsenal.Listener
local Listener = {}

---Waits for the next connection. Several tasks may accept.
---@return arsenal.Stream? stream
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
---@async
function Listener:accept() end

---Ends listening. Accepted connections stay open. Tasks that accept get "CLOSED".
---@return true
function Listener:close() end

---Returns an event that is set when `close` or `shutdown` begins; the same one at each call. For handlers that would
---otherwise wait for the next request: `arsenal.select { stream, listener:closing() }`.
---@return arsenal.Event event
---@nodiscard
function Listener:closing() end

---Returns the address that the listener listens on.
---@return string? host numeric; of a Unix listener the path
---@return integer|string|nil port or the message
---@return string? code "CLOSED" or an errno's name
---@nodiscard
function Listener:local_address() end

---Returns the descriptor, which the listener still owns.
---@return integer? fd
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
function Listener:fd() end

-- Sockets opened elsewhere ----------------------------------------------------------------------

---Makes an object of an open TCP socket: a listener if the socket listens, otherwise a stream. The object owns the
---descriptor from then on; after a failure the caller still does.
---@param fd integer the descriptor of the socket
---@return arsenal.Stream|arsenal.Listener|nil object
---@return string? message
---@return string? code "EINVAL" for a socket of another kind, "BUSY" if an object owns it, "EBADF", "ENOTSOCK", …
---@nodiscard
function core.tcp_from_fd(fd) end

---Makes an object of an open Unix socket: a listener if the socket listens, otherwise a stream or a datagram socket.
---The object owns the descriptor from then on; after a failure the caller still does.
---@param fd integer the descriptor of the socket
---@return arsenal.Stream|arsenal.Listener|arsenal.UnixDatagramSocket|nil object
---@return string? message
---@return string? code "EINVAL" for a socket of another kind, "BUSY" if an object owns it, "EBADF", "ENOTSOCK", …
---@nodiscard
function core.unix_from_fd(fd) end

---Makes an object of an open UDP socket, bound or connected. The object owns the descriptor from then on; after a
---failure the caller still does.
---@param fd integer the descriptor of the socket
---@return arsenal.DatagramSocket? socket
---@return string? message
---@return string? code "EINVAL" for a socket of another kind, "BUSY" if an object owns it, "EBADF", "ENOTSOCK"
---@nodiscard
function core.udp_from_fd(fd) end

-- Datagram sockets ------------------------------------------------------------------------------

---Sends and receives datagrams: whole messages that may be lost, doubled or reordered on their way. Several tasks may
---receive and send.
---@class arsenal.DatagramSocket
local DatagramSocket = {}

---Waits for the next datagram, and returns its sender too.
---@param max? integer most bytes of it, at least 1; default 65536, more than any datagram has
---@return string? data "" for an empty datagram
---@return string? host numeric, of the sender; or the message
---@return integer|string|nil port or the code: "TOOLONG" beyond `max`, "TIMEOUT", "CLOSED", or an errno's name
---@return string? beginning with "TOOLONG": the first `max` bytes; the rest is lost
---@return string? from_host with "TOOLONG": the address of the sender
---@return integer? from_port with "TOOLONG": its port
---@nodiscard
---@async
function DatagramSocket:recv_from(max) end

---Waits for the next datagram.
---@param max? integer most bytes of it, at least 1; default 65536, more than any datagram has
---@return string? data "" for an empty datagram
---@return string? message
---@return string? code "TOOLONG" beyond `max`, "TIMEOUT", "CLOSED", "ECONNREFUSED", or another errno's name
---@return string? beginning with "TOOLONG": the first `max` bytes; the rest is lost
---@nodiscard
---@async
function DatagramSocket:recv(max) end

---Sends one datagram. Waits while the kernel has no room for it, and for the lookup of a name.
---@param data string may be empty
---@param host string a numeric address, or a name, which is looked up each time
---@param port integer 1 to 65535
---@return integer? size bytes of the datagram
---@return string? message
---@return string? code "EMSGSIZE" if it is too large, "TIMEOUT", "CLOSED", a resolver's code or an errno's name
---@async
function DatagramSocket:send_to(data, host, port) end

---Sends one datagram to the other end of a connected socket. Waits while the kernel has no room for it.
---@param data string may be empty
---@return integer? size bytes of the datagram
---@return string? message
---@return string? code "EMSGSIZE" if it is too large, "ECONNREFUSED", "TIMEOUT", "CLOSED", or another errno's name
---@async
function DatagramSocket:send(data) end

---Joins a multicast group: from now on the socket receives what is sent to it.
---@param group string a multicast address
---@param interface? string name of a network interface, or one of its addresses; default: chosen by the system
---@return true? done
---@return string? message
---@return string? code "EINVAL" if it is no multicast address, "ENODEV", "CLOSED", or another errno's name
function DatagramSocket:join_group(group, interface) end

---Leaves a multicast group.
---@param group string a multicast address
---@param interface? string as for `join_group`
---@return true? done
---@return string? message
---@return string? code "EADDRNOTAVAIL" if the socket is not in the group; and those of `join_group`
function DatagramSocket:leave_group(group, interface) end

---Sets an option of the socket.
---@param name "broadcast"|"ttl"|"multicast_ttl"|"multicast_loop"|"multicast_interface"|"recv_buffer"|"send_buffer"
---@param value boolean|integer|string ttl: hops; buffers: bytes; multicast_interface: its name or one of its addresses
---@return true? done
---@return string? message
---@return string? code "CLOSED" or an errno's name
function DatagramSocket:set_option(name, value) end

---Sets a time limit for each later call that waits on this socket.
---@param seconds number|{ recv: number?, send: number? }|nil nil: no limit; a table sets one direction, or both
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function DatagramSocket:set_timeout(seconds) end

---Returns the address that the socket is bound to.
---@return string? host numeric
---@return integer|string|nil port or the message
---@return string? code "CLOSED" or an errno's name
---@nodiscard
function DatagramSocket:local_address() end

---Returns the address that the socket is connected to.
---@return string? host numeric
---@return integer|string|nil port or the message
---@return string? code "ENOTCONN" if it is not connected, "CLOSED"
---@nodiscard
function DatagramSocket:remote_address() end

---Returns the descriptor, which the socket still owns.
---@return integer? fd
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
function DatagramSocket:fd() end

---@class arsenal.DatagramStats
---@field received integer datagrams received
---@field sent integer datagrams sent
---@field dropped integer datagrams that were lost because the receive buffer was full; counted on Linux only

---Returns numbers of datagrams so far.
---@return arsenal.DatagramStats
---@nodiscard
function DatagramSocket:stats() end

---Closes the socket. Calls that wait on it end with "CLOSED". Datagrams that no task has received are lost.
---@return true
function DatagramSocket:close() end

-- Unix datagram sockets --------------------------------------------------------------------------

---Sends and receives datagrams on a path or an abstract name. None is lost or reordered: a sender waits while the
---receiver's queue is full. Several tasks may receive and send.
---@class arsenal.UnixDatagramSocket
local UnixDatagramSocket = {}

---Waits for the next datagram, and returns its sender too.
---@param max? integer most bytes of it, default 256 KiB; a larger one is a failure with "TOOLONG"
---@return string? data
---@return string? path of the sender, "" if it has none; or the message
---@return string? code "TOOLONG", "TIMEOUT", "CLOSED", or an errno's name
---@return string? beginning with "TOOLONG": the first `max` bytes; the rest is lost
---@return string? from_path with "TOOLONG": of the sender
---@nodiscard
---@async
function UnixDatagramSocket:recv_from(max) end

---Waits for the next datagram.
---@param max? integer most bytes of it, default 256 KiB; a larger one is a failure with "TOOLONG"
---@return string? data
---@return string? message
---@return string? code "TOOLONG", "TIMEOUT", "CLOSED", or an errno's name
---@return string? beginning with "TOOLONG": the first `max` bytes; the rest is lost
---@nodiscard
---@async
function UnixDatagramSocket:recv(max) end

---Sends one datagram. Waits while the receiver's queue is full.
---@param data string may be empty
---@param path string of the receiver
---@return integer? size bytes of the datagram
---@return string? message
---@return string? code "ENOENT" or "ECONNREFUSED" if nobody has the path, "EMSGSIZE", "TIMEOUT", "CLOSED", …
---@async
function UnixDatagramSocket:send_to(data, path) end

---Sends one datagram to the peer. Waits while its queue is full.
---@param data string may be empty
---@return integer? size bytes of the datagram
---@return string? message
---@return string? code "ENOTCONN" without a peer, "ECONNREFUSED" if it is gone, "EMSGSIZE", "TIMEOUT", "CLOSED"
---@async
function UnixDatagramSocket:send(data) end

---Sets an option of the socket.
---@param name "recv_buffer"|"send_buffer"
---@param value integer bytes
---@return true? done
---@return string? message
---@return string? code "CLOSED" or an errno's name
function UnixDatagramSocket:set_option(name, value) end

---Sets a time limit for each later call that waits on this socket.
---@param seconds number|{ recv: number?, send: number? }|nil nil: no limit; a table sets one direction, or both
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function UnixDatagramSocket:set_timeout(seconds) end

---Returns the path that the socket is bound to.
---@return string? path "" if it has none
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
function UnixDatagramSocket:local_address() end

---Returns the path of the peer.
---@return string? path
---@return string? message
---@return string? code "ENOTCONN" without a peer
---@nodiscard
function UnixDatagramSocket:remote_address() end

---Returns the descriptor, which the socket still owns.
---@return integer? fd
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
function UnixDatagramSocket:fd() end

---Returns numbers of datagrams so far. None is `dropped`.
---@return arsenal.DatagramStats
---@nodiscard
function UnixDatagramSocket:stats() end

---Closes the socket, and removes its file if it is still the same. Calls that wait on it end with "CLOSED".
---@return true
function UnixDatagramSocket:close() end

-- Names -----------------------------------------------------------------------------------------

---@class arsenal.ResolveOptions
---@field family? "inet"|"inet6" address family: IPv4 or IPv6; default both
---@field timeout? number seconds; default: no limit

---@class arsenal.ReverseOptions
---@field timeout? number seconds; default: no limit

---@class arsenal.Address
---@field address string numeric
---@field family "inet"|"inet6" address family: IPv4 or IPv6

---Waits for the addresses that the system's resolver has for a host. A numeric address needs no resolver.
---@param host string a name, or a numeric address, which is returned at once
---@param options? arsenal.ResolveOptions
---@return arsenal.Address[]? addresses in the resolver's order (RFC 6724)
---@return string? message
---@return string? code "EINVAL" if it cannot be a name, "TIMEOUT", a resolver's code such as "EAI_NONAME"
---@nodiscard
---@async
function core.resolve(host, options) end

---Waits for the name that the system's resolver has for a numeric address.
---@param address string a numeric address
---@param options? arsenal.ReverseOptions
---@return string? name what the owner of the address claims
---@return string? message
---@return string? code "EINVAL" if it is no numeric address, "EAI_NONAME" if it has no name, "TIMEOUT"
---@nodiscard
---@async
function core.reverse(address, options) end
