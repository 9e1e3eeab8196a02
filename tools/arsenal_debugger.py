"""Adds the command `arsenal-tasks` to gdb and lldb: the tasks of a live process or a core, and what they wait for.

    (gdb)  source tools/arsenal_debugger.py
    (lldb) command script import tools/arsenal_debugger.py

    arsenal-tasks           the tasks of each loop that a thread is in
    arsenal-tasks ADDRESS   the tasks of the Loop there; any C expression will do

Reads the structs of src/kernel/ by the debug information of core.so, and nothing of Lua, which often has none.
A loop is found in the frames of the threads: each is in a function that has a `Loop *loop`. The program is only
read: none of its functions is called.
"""

import errno
import re
import time

try:
    import gdb
except ImportError:
    gdb = None
    import lldb

# The enum of task states in kernel/wait.h, and that of conditions in base/error.h.
STATES = ("ready", "running", "waiting", "done", "failed", "cancelled")
CONDITIONS = ("TIMEOUT", "CLOSED", "EOF", "TOOLONG", "BUSY", "TLS", "CERT", "CANCELLED")
FIRST_CONDITION = -20000

SHOWN_ADDRESSES = 8  # of the tasks in one line
LONGEST_NAME = 64  # of a type of handles

NO_SYMBOLS = "no debug information of arsenal's core.so here: is it loaded, and was it built with -g?"
NO_LOOP = "no loop found: no thread is inside of one. For the Loop at an address: arsenal-tasks ADDRESS"


class Unreadable(Exception):
    """Memory that is not there, or not what it should be."""


# --- the debuggers: the same few questions for both ---


class Gdb:
    def __init__(self):
        self.types = {}

    def type(self, name):
        if name not in self.types:
            self.types[name] = gdb.lookup_type("struct " + name)
        return self.types[name]

    def has_type(self, name):
        try:
            return self.type(name) is not None
        except gdb.error:
            return False

    def size(self, name):
        return self.type(name).sizeof

    def offset(self, name, member):
        return self.type(name)[member].bitpos // 8

    def read(self, name, address, path):
        """The member of the struct there, as an integer; `path` may lead into members of members."""
        try:
            value = gdb.Value(address).cast(self.type(name).pointer()).dereference()
            for member in path.split("."):
                value = value[member]
            return int(value)
        except gdb.MemoryError as problem:
            raise Unreadable(str(problem))

    def text(self, address):
        try:
            return gdb.Value(address).cast(gdb.lookup_type("char").pointer()).string()
        except (gdb.error, UnicodeDecodeError) as problem:
            raise Unreadable(str(problem))

    def symbol(self, address):
        """The name of what is there, None if it has none."""
        found = re.match(r"(\S+)( \+ \d+)? in section", gdb.execute("info symbol %d" % address, to_string=True))
        return found and found.group(1)

    def file(self, function):
        """The path of the source file of the function at this address, or None."""
        table = gdb.find_pc_line(function).symtab
        return table and table.filename

    def variables(self):
        """Name, type and value of the numbers and pointers among the variables in the frames of all threads."""
        thread = gdb.selected_thread()
        if thread is None:
            return
        frame = gdb.selected_frame()
        try:
            for other in gdb.selected_inferior().threads():
                other.switch()
                yield from self.thread_variables()
        finally:
            thread.switch()
            frame.select()

    def thread_variables(self):
        frame = gdb.newest_frame()
        while frame is not None:
            yield from self.frame_variables(frame)
            try:
                frame = frame.older()
            except gdb.error:  # a broken stack
                return

    @staticmethod
    def frame_variables(frame):
        try:
            block = frame.block()
        except RuntimeError:  # a function without debug information
            return
        while block is not None:
            for symbol in block:
                if symbol.is_argument or symbol.is_variable:
                    try:
                        yield symbol.name, str(symbol.type), int(symbol.value(frame))
                    except (gdb.error, TypeError, ValueError):  # optimized out, or no number
                        pass
            if block.function is not None:
                return
            block = block.superblock

    def evaluate(self, expression):
        return int(gdb.parse_and_eval(expression))

    def is_live(self):
        connection = getattr(gdb.selected_inferior(), "connection", None)
        return connection is not None and connection.type == "native"


class Lldb:
    def __init__(self, target):
        self.target = target
        self.process = target.GetProcess()
        self.types = {}

    def type(self, name):
        if name not in self.types:
            found = [each for each in self.target.FindTypes(name) if each.GetByteSize() > 0]
            if not found:
                raise Unreadable("no type " + name)
            self.types[name] = found[0].GetCanonicalType()
        return self.types[name]

    def has_type(self, name):
        try:
            return self.type(name) is not None
        except Unreadable:
            return False

    def size(self, name):
        return self.type(name).GetByteSize()

    def offset(self, name, member):
        for field in self.type(name).get_fields_array():
            if field.GetName() == member:
                return field.GetOffsetInBytes()
        raise Unreadable("%s has no member %s" % (name, member))

    def read(self, name, address, path):
        value = self.target.CreateValueFromAddress(name, lldb.SBAddress(address, self.target), self.type(name))
        for member in path.split("."):
            value = value.GetChildMemberWithName(member)
        error = lldb.SBError()
        is_signed = value.GetType().GetCanonicalType().GetBasicType() == lldb.eBasicTypeInt
        number = value.GetValueAsSigned(error) if is_signed else value.GetValueAsUnsigned(error)
        if not value.IsValid() or error.Fail():
            raise Unreadable("cannot read %s of the %s at %#x" % (path, name, address))
        return number

    def text(self, address):
        error = lldb.SBError()  # a core may lack constants, which the target reads from the module's file
        data = self.target.ReadMemory(self.target.ResolveLoadAddress(address), LONGEST_NAME, error)
        if error.Fail():
            raise Unreadable(error.GetCString())
        return bytes(data).split(b"\0")[0].decode(errors="replace")

    def symbol(self, address):
        return self.target.ResolveLoadAddress(address).GetSymbol().GetName()

    def file(self, function):
        spec = self.target.ResolveLoadAddress(function).GetCompileUnit().GetFileSpec()
        return spec.fullpath if spec.IsValid() else None

    def variables(self):
        for thread in self.process:
            for frame in thread:
                for variable in frame.GetVariables(True, True, False, True):
                    error = lldb.SBError()
                    number = variable.GetValueAsUnsigned(error)
                    if error.Success():
                        yield variable.GetName(), variable.GetType().GetName(), number

    def evaluate(self, expression):
        value = self.target.EvaluateExpression(expression)
        if value.GetError().Fail():
            raise Unreadable(value.GetError().GetCString())
        return value.GetValueAsUnsigned()

    def is_live(self):
        return "core" not in self.process.GetPluginName() and self.target.GetPlatform().GetName() == "host"


# --- loops, scopes and tasks ---


def list_nodes(debugger, first):
    """The addresses of the nodes of a List (base/list.h)."""
    node, seen = first, set()
    while node != 0:
        if node in seen:
            raise Unreadable("the list with the node %#x does not return to its first" % node)
        seen.add(node)
        yield node
        node = debugger.read("ListNode", node, "next")
        if node == first:
            return


def scopes_below(debugger, top):
    """The addresses of all scopes in the tree below `top`, parents first."""
    sibling = debugger.offset("Scope", "sibling")
    parents = [top]
    while parents:
        parent = parents.pop()
        for node in list_nodes(debugger, debugger.read("Scope", parent, "children.first")):
            scope = node - sibling
            if debugger.read("Scope", scope, "parent") != parent:
                raise Unreadable("the scope at %#x is not a child of its parent" % scope)
            yield scope
            parents.append(scope)


def is_loop(debugger, address):
    """Whether a Loop may be there: a variable of an optimized function may hold anything."""
    try:
        root = address + debugger.offset("Loop", "root")
        first = debugger.read("Loop", address, "root.children.first")
        if debugger.read("Scope", root, "parent") != 0 or debugger.read("Loop", address, "scratch") == 0:
            return False
        return first == 0 or debugger.read("Scope", first - debugger.offset("Scope", "sibling"), "parent") == root
    except Unreadable:
        return False


class Loop:
    def __init__(self, debugger, address):
        self.debugger = debugger
        self.address = address
        self.symbols = {}
        self.is_live = debugger.is_live()
        kept = max(self.read("polled_at"), self.read("uv.time") * 1000000)
        self.now = max(kept, time.monotonic_ns()) if self.is_live else kept

    def read(self, path):
        return self.debugger.read("Loop", self.address, path)

    def symbol(self, address):
        if address not in self.symbols:
            self.symbols[address] = self.debugger.symbol(address)
        return self.symbols[address]

    def tasks(self):
        root = self.debugger.offset("Task", "root")
        for scope in scopes_below(self.debugger, self.address + self.debugger.offset("Loop", "root")):
            if self.symbol(self.debugger.read("Scope", scope, "type")) == "task_scope_type":
                yield Task(self, scope - root)

    def distance(self, deadline):
        seconds = (deadline - self.now) / 1e9
        return "in %.1f s" % seconds if seconds >= 0 else "%.1f s ago" % -seconds

    def title(self):
        title = "loop %#x: %d tasks, %d ready, %d external waiters, %d timers" % (
            self.address, self.read("tasks"), self.read("ready"), self.read("external_waiters"),
            self.read("timers.count"))
        if self.is_live:
            return title
        return title + "\n  times are counted from the last one that the loop keeps, %.1f s on its clock" % (self.now / 1e9)


class Task:
    def __init__(self, loop, address):
        self.loop = loop
        self.debugger = loop.debugger
        self.address = address
        state = self.read("state")
        self.state = STATES[state] if state < len(STATES) else "in the unknown state %d" % state

    def read(self, path):
        return self.debugger.read("Task", self.address, path)

    def wait(self):
        """The kind of the wait, by its variable and the file of its step: "recv_wait (sync/channel.c)"."""
        kind = self.read("kind")
        path = self.debugger.file(self.debugger.read("WaitKind", kind, "step"))
        name = self.loop.symbol(kind) or "%#x" % kind
        return "%s (%s)" % (name, "/".join(path.split("/")[-2:])) if path else name

    def heading(self):
        """What the task does: the same for all tasks that are listed together."""
        words = [self.state]
        if self.state == "ready" and not self.read("started"):
            words.append("to start")
        elif self.state != "running":  # that of a running task is the wait before
            words += self.wait_words()
        if self.debugger.read("Scope", self.read("scopes.innermost"), "doomed"):
            words.append("(cancelled)")
        elif self.read("root.doomed"):
            words.append("(cancelled, in a shield)")
        return " ".join(words)

    def wait_words(self):
        words = ["in " + self.wait()]
        handle, status = self.handle(), self.read("status")
        if handle:
            words.append("on " + handle)
        if status != 0:
            words.append("with status " + status_name(status))
        return words

    def detail(self):
        """What is this task's own: the object that it waits on, and until when."""
        if self.state == "running":
            return ""
        words = [self.object(), self.deadline(), self.timeouts()]
        return ", ".join(word for word in words if word)

    def handle(self):
        """The name of the type of the Handle that it waits on; None if that is something else."""
        address = self.read("object")
        try:
            if address == 0 or self.debugger.read("Handle", address, "loop") != self.loop.address:
                return None
            handle_type = self.debugger.read("Handle", address, "type")
            if self.loop.symbol(handle_type) is None:  # a handle of libuv's begins alike
                return None
            return self.debugger.text(self.debugger.read("HandleType", handle_type, "name"))
        except Unreadable:
            return None

    def object(self):
        queue = self.read("waiter.queue")
        joined = queue - self.debugger.offset("Task", "joiners")
        if queue != 0 and self.is_task(joined):
            return "the end of task %#x" % joined
        address = self.read("object")
        if address == 0:
            return None
        return "%#x%s" % (address, self.descriptor(address) if self.handle() else "")

    def is_task(self, address):
        try:
            return self.debugger.read("Task", address, "waiter.task") == address
        except Unreadable:
            return False

    def descriptor(self, handle):
        """Objects with a descriptor have a Poller after the Handle."""
        poller = handle + self.debugger.size("Handle")
        try:
            if self.debugger.read("Poller", poller, "loop") != self.loop.address:
                return ""
            fd = self.debugger.read("Poller", poller, "fd")
            return " fd %d" % fd if fd >= 0 else " closed"
        except Unreadable:
            return ""

    def deadline(self):
        return "deadline " + self.loop.distance(self.read("deadline")) if self.read("has_deadline") else None

    def timeouts(self):
        """The time limits that the task is in, the innermost first."""
        scope, root, found = self.read("scopes.innermost"), self.address + self.debugger.offset("Task", "root"), []
        while scope not in (root, 0):
            if self.loop.symbol(self.debugger.read("Scope", scope, "type")) == "timeout_type":
                timer = scope + self.debugger.offset("TimeoutScope", "timer")
                if self.debugger.read("Timer", timer, "place") != 0:
                    found.append("timeout " + self.loop.distance(self.debugger.read("Timer", timer, "deadline")))
            scope = self.debugger.read("Scope", scope, "parent")
        return ", ".join(found)


def status_name(status):
    if 0 <= status - FIRST_CONDITION < len(CONDITIONS):
        return CONDITIONS[status - FIRST_CONDITION]
    return errno.errorcode.get(-status, str(status))


# --- the listing ---


def find_loops(debugger):
    """The loops that threads are in, each once."""
    loops = []
    for name, type_name, number in debugger.variables():
        if name == "loop" and re.fullmatch(r"(const )?(struct )?Loop \*( ?const)?", type_name):
            if number not in loops and is_loop(debugger, number):
                loops.append(number)
    return loops


def addresses(tasks):
    words = ["%#x" % task.address for task in tasks[:SHOWN_ADDRESSES]]
    if len(tasks) > SHOWN_ADDRESSES:
        words.append("and %d more" % (len(tasks) - SHOWN_ADDRESSES))
    return ", ".join(words)


def loop_lines(loop):
    """Tasks of the same heading together; of these, those that differ only by their address in one line."""
    yield loop.title()
    groups, problem = {}, None
    try:
        for task in loop.tasks():
            groups.setdefault(task.heading(), {}).setdefault(task.detail(), []).append(task)
    except Unreadable as found:
        problem = "the rest cannot be listed: %s" % found
    for heading in sorted(groups):
        details = groups[heading]
        count = sum(map(len, details.values()))
        yield "  %d task%s %s" % (count, "" if count == 1 else "s", heading)
        for detail in details:
            yield "    " + addresses(details[detail]) + (": " + detail if detail else "")
    if problem:
        yield "  " + problem


def listing(debugger, expression):
    if not debugger.has_type("Loop"):
        return NO_SYMBOLS
    loops = [debugger.evaluate(expression)] if expression else find_loops(debugger)
    if expression and not is_loop(debugger, loops[0]):
        return "no Loop is at %#x" % loops[0]
    if not loops:
        return NO_LOOP
    return "\n".join(line for loop in loops for line in loop_lines(Loop(debugger, loop)))


# --- the command ---


if gdb:

    class TasksCommand(gdb.Command):
        """arsenal-tasks [ADDRESS]: lists the tasks of each loop that a thread is in, or of the Loop there."""

        def __init__(self):
            super().__init__("arsenal-tasks", gdb.COMMAND_STATUS)

        def invoke(self, argument, from_terminal):
            try:
                gdb.write(listing(Gdb(), argument) + "\n")
            except (gdb.error, Unreadable) as problem:
                raise gdb.GdbError(str(problem))

    TasksCommand()


def tasks_command(debugger, argument, context, result, session):
    """arsenal-tasks [ADDRESS]: lists the tasks of each loop that a thread is in, or of the Loop there."""
    try:
        result.AppendMessage(listing(Lldb(context.GetTarget()), argument))
    except Unreadable as problem:
        result.SetError(str(problem))


def __lldb_init_module(debugger, session):
    debugger.HandleCommand("command script add -f %s.tasks_command arsenal-tasks" % __name__)
