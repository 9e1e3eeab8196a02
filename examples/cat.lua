-- Writes the files that it is given, one after another, to standard output: like cat. "-" and no file at all mean
-- standard input.
--
--   lua5.4 examples/cat.lua [file ...]

local arsenal = require("arsenal")

local check <const> = arsenal.check

local function copy_file(name)
  local file <close> = check(arsenal.fs.open(name, "rb"))
  for piece in file:lines(65536) do check(arsenal.stdout:send(piece)) end
end

local function main(names)
  local status = 0
  for _, name in ipairs(names) do
    local ok, err = pcall(function()
      if name == "-" then
        check(arsenal.copy(arsenal.stdin, arsenal.stdout))
      else
        copy_file(name)
      end
    end)
    if not ok then
      if arsenal.is_cancelled(err) then error(err, 0) end
      if err.code == "EPIPE" then return 0 end -- nobody reads any more
      arsenal.stderr:send("cat: ", tostring(err), "\n")
      status = 1
    end
  end
  return status
end

arsenal.main(main, arg[1] and arg or { "-" })
