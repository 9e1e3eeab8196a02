---@meta arsenal.core
-- Annotations, for the Lua language server, of what is defined in C. Never loaded: what is defined in
-- Lua is annotated where it stands.
-- luacheck: ignore

-- A failure of the network, the peer or the system is `nil, message, code`; a mistake of the caller is
-- raised. See docs/reference/conventions.md.

---@class arsenal.core
---@field stream_methods arsenal.Stream
---@field listener_methods arsenal.Listener
local core = {}

-- Conventions -----------------------------------------------------------------------------------

---What arsenal.check and iterators raise.
---@class arsenal.Error
---@field message string
---@field code string?

---Returns its arguments if `value` is true; else raises the failure `nil, message, code` as an error object.
---@generic T
---@param value T?
---@param ... any
---@return T value
---@return any ...
function core.check(value, ...) end

-- Running ---------------------------------------------------------------------------------------

---Runs `main(...)` as the first task, and the loop until every task has ended. Raises main's error, the
---string "interrupted" after Ctrl-C, or a report of the deadlock.
---@param main fun(...): ...
---@param ... any
---@return any ... main's results
function core.run(main, ...) end

---Makes one turn of the loop, waiting at most `timeout` seconds for events when no task is ready.
---@param timeout? number
---@return boolean ran whether any task ran
function core.run_once(timeout) end

---Cancels every task; `run` returns once they have cleaned up.
function core.stop() end

---A descriptor that is readable when `run_once` has events to take in.
---@return integer
function core.backend_fd() end

---Seconds until `run_once` has something to do of itself; nil: only an event could give it work.
---@return number?
function core.backend_timeout() end

---Seconds on the monotonic clock since an arbitrary moment.
---@return number
function core.now() end

---@class arsenal.Stats
---@field tasks integer that have not ended
---@field ready integer of these
---@field waiting integer of these
---@field handles table<string, integer> open objects by kind
---@field timers integer
---@field turns integer
---@field lag number the longest time since the last call that tasks kept the loop, in seconds

---@return arsenal.Stats
function core.stats() end

---The tasks that have not ended.
---@return arsenal.Task[]
function core.tasks() end

-- Tasks -----------------------------------------------------------------------------------------

---@class arsenal.Task
local Task = {}

---Waits until the task has ended; raises its error.
---@return any ... its function's results; or nil, message, "CANCELLED"
function Task:join() end

---Raises a cancellation where the task waits, now and at each later wait.
---@param reason? any told in the cancellation's message
function Task:cancel(reason) end

---@return "ready"|"running"|"waiting"|"done"|"failed"|"cancelled"
function Task:status() end

---@class arsenal.Group
local Group = {}

---Starts a task that ends before the group does.
---@param fn fun(...)
---@param ... any
function Group:go(fn, ...) end

---Cancels the group's tasks and the function that was given to arsenal.group.
function Group:cancel() end

---Starts a task, which runs when the current one next waits.
---@param fn fun(...): ...
---@param ... any
---@return arsenal.Task
function core.go(fn, ...) end

---@return arsenal.Task? running
function core.current() end

---Waits at least that long; without a number, until it is cancelled.
---@param seconds? number
function core.sleep(seconds) end

---Lets every other task that is ready run before it returns.
function core.yield() end

---Calls fn with a time limit. Limits nest: an inner one never outlives an outer one.
---@param seconds? number nil: no limit; 0: up to fn's first wait
---@param fn fun(...): ...
---@param ... any
---@return any ... fn's results; or nil, message, "TIMEOUT"
function core.timeout(seconds, fn, ...) end

---Calls fn, in which waiting works although the task is cancelled.
---@param fn fun(...): ...
---@param ... any
---@return any ... fn's results
function core.shield(fn, ...) end

---Whether a caught error is a cancellation.
---@param err any
---@return boolean
function core.is_cancelled(err) end

-- Channels and select ---------------------------------------------------------------------------

---@class arsenal.Channel
---@operator len: integer
local Channel = {}

---A channel that holds up to `capacity` values (0: a send waits for its receiver).
---@param capacity? integer
---@return arsenal.Channel
function core.channel(capacity) end

---Waits until the value was received, or there is room for it.
---@param value any not nil
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function Channel:send(value) end

---Waits for the next value.
---@return any value
---@return string? message
---@return string? code "CLOSED": and it is empty
function Channel:recv() end

---@param value any not nil
---@return true? done
---@return string? message
---@return string? code "CLOSED", or "TIMEOUT" where `send` would wait
function Channel:try_send(value) end

---@return any value
---@return string? message
---@return string? code "CLOSED", or "TIMEOUT" where `recv` would wait
function Channel:try_recv() end

---Iterates over the values; ends when the channel is closed and empty.
---@return fun(channel: arsenal.Channel): any
---@return arsenal.Channel
function Channel:values() end

---Ends sending; what is in it can still be received.
---@return true
function Channel:close() end

---@alias arsenal.Case arsenal.Channel|arsenal.Task|arsenal.Listener|arsenal.Stream|arsenal.Datagram|arsenal.Signal|arsenal.Event|arsenal.Timer|{ [1]: arsenal.Channel, [2]: any }

---Waits until one of the cases is ready, and performs exactly that one: an object's natural receive, or,
---for `{channel, value}`, a send. Random among those that are ready.
---@param cases arsenal.Case[]
---@param timeout? number seconds; 0 only tries
---@return any object the case's; nil when time was up
---@return any ... what its call returns; or message, "TIMEOUT"
function core.select(cases, timeout) end

---@class arsenal.Timer
local Timer = {}

---A timer, for select; its time runs from this call.
---@param seconds number
---@return arsenal.Timer
function core.after(seconds) end

---@return true
function Timer:wait() end

-- Locks and events ------------------------------------------------------------------------------

---@class arsenal.Mutex
local Mutex = {}

---@class arsenal.Guard holds a mutex until it is unlocked, closed or collected
local Guard = {}

---@return arsenal.Mutex
function core.mutex() end

---Waits until no other task holds it.
---@return arsenal.Guard? guard
---@return string? message
---@return string? code "CLOSED"
function Mutex:lock() end

---@return arsenal.Guard? guard
---@return string? message
---@return string? code "CLOSED", or "TIMEOUT" where `lock` would wait
function Mutex:try_lock() end

---@return true
function Guard:unlock() end

---@class arsenal.Semaphore
local Semaphore = {}

---@class arsenal.Permit held until it is released, closed or collected
local Permit = {}

---@param n integer permits, 1 or more
---@return arsenal.Semaphore
function core.semaphore(n) end

---Waits until a permit is free.
---@return arsenal.Permit? permit
---@return string? message
---@return string? code "CLOSED"
function Semaphore:acquire() end

---@return arsenal.Permit? permit
---@return string? message
---@return string? code "CLOSED", or "TIMEOUT" where `acquire` would wait
function Semaphore:try_acquire() end

---@return true
function Permit:release() end

---@class arsenal.Event
local Event = {}

---One that is not set.
---@return arsenal.Event
function core.event() end

---Wakes every task that waits for it; later waits return at once.
function Event:set() end

---Lets later waits wait again.
function Event:clear() end

---Waits until it is set.
---@return true? set
---@return string? message
---@return string? code "CLOSED"
function Event:wait() end

---@return boolean
function Event:is_set() end

-- Streams ---------------------------------------------------------------------------------------

---@class arsenal.ConnectOptions
---@field timeout? number seconds for the lookup and the connection
---@field nodelay? boolean send small pieces at once (true)
---@field keepalive? number|false seconds of silence after which the peer is probed
---@field local_address? string numeric
---@field local_port? integer
---@field family? "inet"|"inet6"

---@class arsenal.ListenOptions
---@field backlog? integer (511)
---@field reuseport? boolean
---@field ipv6only? boolean
---@field nodelay? boolean of accepted streams (true)
---@field keepalive? number|false of accepted streams

---@class arsenal.TLSOptions
---@field cert? string file: our certificate and its chain
---@field key? string file: its private key; else in `cert`'s
---@field ca_file? string file: the authorities that the peer's certificate may come from
---@field alpn? string[] protocols, the preferred one first
---@field min_version? "1.2"|"1.3"
---@field max_version? "1.2"|"1.3"
---@field ciphers? string

---@class arsenal.TLSClientOptions: arsenal.TLSOptions
---@field server_name? string whom the server's certificate must be for
---@field verify? boolean false: nothing is checked
---@field ca_path? string folder of authorities
---@field session? string of an earlier connection's tls_info
---@field timeout? number seconds

---@class arsenal.TLSNameOptions: arsenal.TLSOptions
---@field client_cert? "require"|"request" from an authority in `ca_file`

---@class arsenal.TLSServerOptions: arsenal.TLSNameOptions
---@field sni? table<string, arsenal.TLSNameOptions>|fun(name: string?): arsenal.TLSNameOptions|false|nil
---@field handshake_timeout? number seconds (10)

---@class arsenal.TLSConnectOptions: arsenal.ConnectOptions, arsenal.TLSClientOptions

---@class arsenal.TLSListenOptions: arsenal.ListenOptions, arsenal.TLSServerOptions

---@class arsenal.TLSCertificate
---@field subject string
---@field issuer string
---@field names string[]
---@field not_before integer as os.time
---@field not_after integer
---@field fingerprint string SHA-256, hexadecimal
---@field pem string

---@class arsenal.TLSInfo
---@field version "1.2"|"1.3"
---@field cipher string
---@field alpn? string
---@field server_name? string
---@field resumed boolean
---@field certificate? arsenal.TLSCertificate the peer's
---@field session? string a client's: what resumes it

---@class arsenal.Stream
local Stream = {}

---Some bytes, as soon as there are any; nil alone at the end of the stream.
---@param max? integer at most so many (65536)
---@return string? data
---@return string? message
---@return string? code
function Stream:recv(max) end

---That many bytes.
---@param n integer
---@return string? data
---@return string? message
---@return string? code "EOF": the stream ended inside
---@return string? partial what there was, with "EOF"
function Stream:recv_exactly(n) end

---A line without its "\n" or "\r\n".
---@param options? { max: integer?, keep: boolean? } `max` bytes (65536); `keep` the line's end
---@return string? line
---@return string? message
---@return string? code "EOF", "TOOLONG"
---@return string? partial with "EOF"
function Stream:recv_line(options) end

---What comes before the delimiter.
---@param delimiter string
---@param options? { max: integer?, keep: boolean? } `max` bytes (65536); `keep` the delimiter
---@return string? item
---@return string? message
---@return string? code "EOF", "TOOLONG"
---@return string? partial with "EOF"
function Stream:recv_until(delimiter, options) end

---Everything up to the end of the stream.
---@param max? integer beyond it, "TOOLONG" (64 MiB)
---@return string? data
---@return string? message
---@return string? code
function Stream:recv_all(max) end

---Iterates over what comes, up to 256 KiB at once; raises an error object on failure.
---@return fun(): string?
function Stream:chunks() end

---Waits for the next n bytes (at most 65536), which stay in the stream.
---@param n integer
---@return string? data
---@return string? message
---@return string? code
---@return string? partial with "EOF"
function Stream:peek(n) end

---Puts bytes back, before what is received next.
---@param data string
---@return true? done
---@return string? message
---@return string? code "BUSY" while a task receives
function Stream:unread(data) end

---Sends one message, and waits until the kernel has taken all of it. If a failure cut it, the sending
---direction is ended.
---@param ... string|number|(string|number)[] strings and numbers, or one table of them
---@return integer? size
---@return string? message
---@return string? code
---@return integer? sent with a failure: how many bytes went out
function Stream:send(...) end

---Ends our direction, after the sends before it; the peer reads the end of the stream.
---@return true? done
---@return string? message
---@return string? code
function Stream:shutdown() end

---Closes it; what `send` has returned for is delivered. Waiting calls end with "CLOSED".
---@return true
function Stream:close() end

---Closes it with a reset: what is still under way may be lost.
---@return true
function Stream:reset() end

---Limits each later call that waits, as a whole; a table sets one direction or both.
---@param seconds? number|{ recv: number?, send: number? }
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function Stream:set_timeout(seconds) end

---@param name "nodelay"|"keepalive"|"send_buffer"|"recv_buffer"
---@param value boolean|integer
---@return true? done
---@return string? message
---@return string? code
function Stream:set_option(name, value) end

---@return string? host
---@return integer|string port or message
---@return string? code
function Stream:local_address() end

---@return string? host
---@return integer|string port or message
---@return string? code
function Stream:remote_address() end

---Who had the other end of a Unix stream when it was connected.
---@return { uid: integer, gid: integer, pid: integer? }? credentials
---@return string? message
---@return string? code "ENOTSUP" for other streams
function Stream:peer_credentials() end

---The descriptor, which stays the stream's.
---@return integer? fd
---@return string? message
---@return string? code
function Stream:fd() end

---Bytes in each direction.
---@return { received: integer, sent: integer }
function Stream:stats() end

---Sends on `to` what comes on `from`, until that ends, without making Lua strings.
---@param from arsenal.Stream
---@param to arsenal.Stream
---@param options? { max: integer? } bytes after which it returns
---@return integer? count
---@return string? message
---@return string? code
---@return integer? sent with a failure; what was read beyond that is still in `from`
function core.copy(from, to, options) end

-- Listeners -------------------------------------------------------------------------------------

---@class arsenal.Listener
local Listener = {}

---Waits for the next connection.
---@return arsenal.Stream? stream
---@return string? message
---@return string? code "CLOSED"
function Listener:accept() end

---Ends listening.
---@return true
function Listener:close() end

---@return string? host
---@return integer|string port or message
---@return string? code
function Listener:local_address() end

---The descriptor, which stays the listener's.
---@return integer? fd
---@return string? message
---@return string? code
function Listener:fd() end

-- Datagrams -------------------------------------------------------------------------------------

---@class arsenal.Datagram
local Datagram = {}

---Waits for the next datagram.
---@param max? integer one of more bytes is "TOOLONG"
---@return string? data
---@return string host or the message
---@return integer|string port or the code
---@return string? beginning with "TOOLONG": the first `max` bytes
---@return string? from_host with "TOOLONG"
---@return integer? from_port with "TOOLONG"
function Datagram:recv_from(max) end

---Waits for the next datagram.
---@param max? integer one of more bytes is "TOOLONG"
---@return string? data
---@return string? message
---@return string? code
---@return string? beginning with "TOOLONG": the first `max` bytes
function Datagram:recv(max) end

---Sends one datagram; a name is looked up each time.
---@param data string
---@param host string
---@param port integer
---@return integer? size
---@return string? message
---@return string? code "EMSGSIZE"
function Datagram:send_to(data, host, port) end

---Sends one datagram to the other end of a connected socket.
---@param data string
---@return integer? size
---@return string? message
---@return string? code "EMSGSIZE", "ECONNREFUSED"
function Datagram:send(data) end

---Receives what is sent to a multicast address.
---@param group string
---@param interface? string its name or one of its addresses
---@return true? done
---@return string? message
---@return string? code
function Datagram:join_group(group, interface) end

---@param group string
---@param interface? string
---@return true? done
---@return string? message
---@return string? code
function Datagram:leave_group(group, interface) end

---@param name "broadcast"|"ttl"|"multicast_ttl"|"multicast_loop"|"multicast_interface"|"recv_buffer"|"send_buffer"
---@param value boolean|integer|string
---@return true? done
---@return string? message
---@return string? code
function Datagram:set_option(name, value) end

---Limits each later call that waits; a table sets one direction or both.
---@param seconds? number|{ recv: number?, send: number? }
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function Datagram:set_timeout(seconds) end

---@return string? host
---@return integer|string port or message
---@return string? code
function Datagram:local_address() end

---@return string? host
---@return integer|string port or message
---@return string? code "ENOTCONN"
function Datagram:remote_address() end

---The descriptor, which stays the socket's.
---@return integer? fd
---@return string? message
---@return string? code
function Datagram:fd() end

---Datagrams; `dropped` for want of room in the kernel.
---@return { received: integer, sent: integer, dropped: integer }
function Datagram:stats() end

---@return true
function Datagram:close() end

-- Signals ---------------------------------------------------------------------------------------

---@class arsenal.Signal
local Signal = {}

---Waits for one of the signals; those of one name that came while nobody waited are one.
---@return string? name
---@return string? message
---@return string? code "CLOSED"
function Signal:wait() end

---The process treats the signals as before.
---@return true
function Signal:close() end

---Takes these signals from now until it is closed.
---@param name string such as "SIGTERM"
---@param ... string
---@return arsenal.Signal? signal
---@return string? message
---@return string? code
function core.signal(name, ...) end

-- Names and descriptors -------------------------------------------------------------------------

---Asks the system's resolver.
---@param host string
---@param options? { family: "inet"|"inet6"|nil, timeout: number? }
---@return { address: string, family: "inet"|"inet6" }[]? addresses
---@return string? message
---@return string? code "EINVAL" for what can be no name, "TIMEOUT", "EAI_..."
function core.resolve(host, options) end

---Asks the system's resolver for the name of a numeric address.
---@param address string
---@param options? { timeout: number? }
---@return string? name
---@return string? message
---@return string? code "EINVAL" for what is no address, "EAI_NONAME" where it has no name, "TIMEOUT"
function core.reverse(address, options) end

---Waits until a descriptor of another library can be read without blocking.
---@param fd integer
---@param timeout? number seconds
---@return true? ready
---@return string? message
---@return string? code "TIMEOUT", "EBADF"
function core.wait_readable(fd, timeout) end

---Likewise for writing.
---@param fd integer
---@param timeout? number seconds
---@return true? ready
---@return string? message
---@return string? code "TIMEOUT", "EBADF"
function core.wait_writable(fd, timeout) end

return core
