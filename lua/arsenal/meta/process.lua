---@meta _
-- Processes: the methods that are written in C, and the tables of options and results.

---What a standard stream of a program may be besides the words: a stream, a file of Lua's, or a descriptor.
---@alias arsenal.StandardStream arsenal.Stream|file*|integer

---The list has the program's name and its arguments: strings or numbers.
---@class arsenal.CommandOptions
---@field cwd? string the directory in which it starts; default: this program's
---@field env? table<string, string|number> the whole environment; default: this program's
---@field extra_env? table<string, string|number|false> variables that are added or replaced; false removes one
---@field uid? integer the user that it runs as
---@field gid? integer the group that it runs as
---@field process_group? boolean whether it has a process group of its own; default true
---@field grace? number seconds between SIGTERM and SIGKILL, and for which output is waited for after its end; default 5

---@class arsenal.StartOptions: arsenal.CommandOptions
---@field stdin? "pipe"|"inherit"|"null"|arsenal.StandardStream default "pipe"
---@field stdout? "pipe"|"inherit"|"null"|arsenal.StandardStream default "pipe"
---@field stderr? "pipe"|"inherit"|"null"|"stdout"|arsenal.StandardStream default "pipe"
---@field detached? boolean whether it goes on when this program ends; default false

---@class arsenal.RunOptions: arsenal.CommandOptions
---@field stdin? "inherit"|"null"|arsenal.StandardStream default "null"
---@field stdout? "capture"|"inherit"|"null"|arsenal.StandardStream default "capture"
---@field stderr? "capture"|"inherit"|"null"|"stdout"|arsenal.StandardStream default "capture"
---@field input? string|arsenal.Stream what it reads, in place of `stdin`
---@field max_output? integer the most bytes that are captured of each output; default 64 MiB
---@field check? boolean whether anything but status 0 is a failure; default false

---@class arsenal.RunResult
---@field code? integer the status with which it has ended; nil if a signal has ended it
---@field signal? string the name of the signal that has ended it
---@field stdout? string what was captured
---@field stderr? string what was captured

---A program that was started. It is ended when it is closed.
---@class (partial) arsenal.Process
---@field pid integer
---@field stdin? arsenal.Stream sends; nil if it is no pipe
---@field stdout? arsenal.Stream receives; nil if it is no pipe
---@field stderr? arsenal.Stream receives; nil if it is no pipe
local Process = {}

---Waits until the program has ended.
---@return integer? status
---@return string? message "killed by SIGTERM"
---@return string? code the signal that has ended it, such as "SIGTERM"; "CLOSED" if it was let go
---@async
function Process:wait() end

---Sends a signal to the program's process group. Does nothing if the program has ended.
---@param signal? string such as "SIGKILL"; "SIG" may be left out; default "SIGTERM"
---@return true? sent
---@return string? message
---@return string? code "EPERM", "CLOSED" if it was let go
function Process:kill(signal) end
