---@meta _
-- Files, as far as they are defined in C.

---@class (partial) arsenal.core
---@field file_methods arsenal.File
local core = {}

---An open file. Its calls are made by threads, one after another; those of several tasks in the order in which they
---were made.
---@class (partial) arsenal.File
local File = {}

---Reads a value for each format: "l" a line without its end (default), "L" with it, "n" a number, "a" all there is, or
---a count of bytes. Returns nil in place of the first that fails, at the end of the file, and none for those after it.
---@param ... string|integer formats, as of Lua's files
---@return string|number|nil value
---@return any message the next value; or the message
---@return any code the next value; or "EBADF" if the file is not open for reading, "CLOSED", or another errno's name
---@nodiscard
---@async
function File:read(...) end

---Iterates over the values that `read` returns for these formats, until the first of them is nil. A failure is raised
---as an error object.
---@param ... string|integer formats; default "l"
---@return async fun(): any ... next
---@nodiscard
function File:lines(...) end

---Writes strings and numbers. They reach the system in pieces of 64 KiB (see `setvbuf`), and at `flush`, `close` and
---before the file is read. A failure may be that of an earlier `write`.
---@param ... string|number
---@return arsenal.File? file
---@return string? message
---@return string? code "EBADF" if the file is not open for writing, "ENOSPC" if the disk is full, "CLOSED", ...
---@async
function File:write(...) end

---Gives what was written to the system.
---@return arsenal.File? file
---@return string? message
---@return string? code as of `write`
---@async
function File:flush() end

---Gives what was written to the system, and waits until the system has written it to the disk.
---@return true? synced
---@return string? message
---@return string? code as of `write`
---@async
function File:sync() end

---Moves the position in the file, and returns it.
---@param whence? "set"|"cur"|"end" what the offset counts from: the start, the position, the end; default "cur"
---@param offset? integer bytes; default 0
---@return integer? position in bytes from the start
---@return string? message
---@return string? code "EINVAL" for a position before the start, "ESPIPE" for a FIFO, ...
---@async
function File:seek(whence, offset) end

---Makes the file so many bytes long. New bytes are zeros. The position stays.
---@param size integer bytes that the file has afterwards
---@return true? done
---@return string? message
---@return string? code as of `write`
---@async
function File:truncate(size) end

---Sets when written bytes go to the system: at once ("no"), at the end of a line ("line"), or when there are as many as
---`size` ("full").
---@param mode "no"|"full"|"line"
---@param size? integer bytes; default 65536
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function File:setvbuf(mode, size) end

---Closes the file, when what was written has been given to the system. Calls of other tasks end with "CLOSED".
---@return true? closed
---@return string? message
---@return string? code why what was written could not be: "ENOSPC", ...
---@async
function File:close() end

---Changes of files, from the time of `arsenal.fs.watch` on.
---@class arsenal.FileWatch
local FileWatch = {}

---Waits for a change. The names are those below the watched path; "" is the path itself. One change may be reported
---several times, and a file that is replaced by `rename` is "created".
---@return string? name
---@return string? event "created", "changed", "removed", "overflow": changes were lost; or the message
---@return string? code "CLOSED" or an errno's name
---@async
function FileWatch:wait() end

---Ends the watching. Tasks that wait get "CLOSED".
---@return true
function FileWatch:close() end

---@class (partial) arsenal.fs
local fs = {}

---Returns what the system knows about a file; a symbolic link is followed.
---@param path string of a file or directory
---@return arsenal.FileStat? stat
---@return string? message
---@return string? code "ENOENT", "EACCES", "ENOTDIR", "ELOOP", or another errno's name
---@nodiscard
---@async
function fs.stat(path) end

---Likewise; a symbolic link is not followed.
---@param path string of a file or directory
---@return arsenal.FileStat? stat
---@return string? message
---@return string? code as of `stat`
---@nodiscard
---@async
function fs.lstat(path) end

---Returns what a symbolic link leads to.
---@param path string of a file or directory
---@return string? path
---@return string? message
---@return string? code "EINVAL" for what is no link, or another errno's name
---@nodiscard
---@async
function fs.readlink(path) end

---Returns the absolute path of a file, without symbolic links, "." and "..".
---@param path string of a file or directory
---@return string? path
---@return string? message
---@return string? code an errno's name
---@nodiscard
---@async
function fs.realpath(path) end

---Gives a file another name. What has that name is replaced.
---@param from string the old path
---@param to string the new path
---@return true? renamed
---@return string? message
---@return string? code "EXDEV" for another file system, or another errno's name
---@async
function fs.rename(from, to) end

---Copies the contents and the permissions of a file. What is at `to` is replaced.
---@param from string the file to copy
---@param to string the path of the copy
---@return true? copied
---@return string? message
---@return string? code an errno's name
---@async
function fs.copy(from, to) end

---Gives a file a second name.
---@param existing string the path that the file has
---@param new string the path that it gets as well
---@return true? made
---@return string? message
---@return string? code "EEXIST", or another errno's name
---@async
function fs.link(existing, new) end

---Makes a symbolic link.
---@param target string what the link leads to; it need not exist
---@param new string the path of the link
---@return true? made
---@return string? message
---@return string? code "EEXIST", or another errno's name
---@async
function fs.symlink(target, new) end

return core
