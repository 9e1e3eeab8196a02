-- tools/setup, on a system that is made of a few stubs: it has apt-get and no valgrind.

local child = require("spec.kit.child")

local APT <const> = [[
#!/bin/sh
echo "apt-get $*"
case $* in
    *valgrind) : >"${0%/*}/valgrind"; chmod +x "${0%/*}/valgrind" ;;
esac
]]
local TRUE <const>, FALSE <const> = "#!/bin/sh\n", "#!/bin/sh\nexit 1\n"
local COMMAND <const> = "sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install "
  .. "-q -y --no-install-recommends valgrind'"

local function make_program(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  assert(os.execute("chmod +x " .. path))
end

-- Runs `tools/setup valgrind`. System: `user` (its number), `sudo` (a program's text), `answer` (what is
-- typed at its terminal; without it there is none), `ci`, `has_valgrind`. Returns the child's result.
local function setup(system)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir %s && cd %s && for name in sh dirname uname chmod; do ln -s $(command -v $name) .; done")
    :format(folder, folder)))
  make_program(folder .. "/apt-get", APT)
  make_program(folder .. "/id", "#!/bin/sh\necho " .. system.user .. "\n")
  make_program(folder .. "/sudo", system.sudo or FALSE)
  if system.has_valgrind then make_program(folder .. "/valgrind", TRUE) end
  local command = ("env PATH=%s CI=%s sh tools/setup valgrind"):format(folder, system.ci or "")
  if system.answer then command = child.command("script", "-qec", command, "/dev/null") end
  local result = child.run(command, { input = system.answer })
  os.execute("rm -r " .. folder)
  return result
end

local SUDO <const> = '#!/bin/sh\n[ "$1" = -n ] && exit 1\necho "sudo $1"\nexec "$@"\n'
local FREE_SUDO <const> = '#!/bin/sh\n[ "$1" = -n ] && exit\necho "sudo $1"\nexec "$@"\n'

local at_terminal = child.it_with("script")

describe("setup", function()
  it("says nothing when nothing is missing", function()
    local result = setup { user = 0, has_valgrind = true }
    assert.same({ 0, "", "" }, { result.status, result.out, result.err })
  end)

  it("says what is missing and what it runs, and installs it for root", function()
    local result = setup { user = 0 }
    assert.equal("tools/setup: missing here: valgrind\ntools/setup: to install them: " .. COMMAND .. "\n", result.err)
    assert.equal("apt-get update -q\napt-get install -q -y --no-install-recommends valgrind\n", result.out)
    assert.equal(0, result.status)
  end)

  it("uses sudo that asks for no password", function()
    local result = setup { user = 1000, sudo = FREE_SUDO }
    assert.equal(0, result.status)
    assert.matches("^sudo sh\napt%-get update", result.out)
  end)

  it("fails without a terminal where it may not install", function()
    local result = setup { user = 1000, sudo = SUDO }
    assert.equal(1, result.status)
    assert.equal("", result.out)
    assert.matches("to install them: sudo " .. COMMAND:gsub("%p", "%%%0"), result.err)
    assert.matches("this user may not install them", result.err)
  end)

  at_terminal("asks at the terminal of a user, and takes no answer for no", function()
    for _, answer in ipairs { "n\n", "\n" } do
      local result = setup { user = 1000, sudo = SUDO, answer = answer }
      assert.matches("run this now%? %[y/N%]", result.out)
      assert.matches("nothing was installed", result.out)
      assert.is_nil(result.out:find("sudo sh\r?\n"))
      assert.equal(1, result.status)
    end
  end)

  at_terminal("installs after a yes", function()
    local result = setup { user = 1000, sudo = SUDO, answer = "y\n" }
    assert.matches("sudo sh\r?\napt%-get update %-q\r?\napt%-get install", result.out)
    assert.equal(0, result.status)
  end)

  at_terminal("asks neither root nor a CI", function()
    for _, system in ipairs { { user = 0 }, { user = 1000, ci = "true", sudo = FREE_SUDO } } do
      system.answer = "" -- a terminal where nobody types
      local result = setup(system)
      assert.is_nil(result.out:find("run this now", 1, true))
      assert.equal(0, result.status)
    end
  end)
end)
