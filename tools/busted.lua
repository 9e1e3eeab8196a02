-- Starts busted under the interpreter that runs this file: the `busted` command of a system may be
-- a script for another Lua version.
require("busted.runner")({ standalone = false })
