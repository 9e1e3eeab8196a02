-- The tables in Markdown.
local report = {}

local function write_row(file, cells)
  file:write("| ", table.concat(cells, " | "), " |\n")
end

local function write_head(file, names)
  write_row(file, names)
  file:write("| --- ", ("| ---: "):rep(#names - 1), "|\n")
end

local function grouped(number)
  local digits = ("%.0f"):format(number)
  return digits:reverse():gsub("(%d%d%d)(%d)", "%1,%2"):gsub("(%d%d%d)(%d)", "%1,%2"):reverse()
end

-- `rows` are { title = , sum = }.
function report.costs(file, scenario, rows)
  file:write("\n### ", scenario.title, "\n\n")
  write_head(file, {
    "", "CPU per " .. scenario.unit .. ", µs", "× the first", "quartiles", "per second", "× the first", "p50, µs",
    "p99, µs", "worst connection's p99", "server busy", "load busy",
  })
  for _, row in ipairs(rows) do
    local s = row.sum
    write_row(file, {
      row.title, ("%.2f"):format(s.cpu), ("**%.3f**"):format(s.cost),
      ("%.3f–%.3f"):format(s.cost_low, s.cost_high), grouped(s.per_second), ("%.2f"):format(s.speed),
      grouped(s.p50), grouped(s.p99), grouped(s.connection_p99_worst),
      ("%.0f %%"):format(100 * s.server_share), ("%.0f %%"):format(100 * s.load_share),
    })
  end
end

function report.memory(file, scenario, rows)
  file:write("\n### ", scenario.title, "\n\n")
  write_head(file, {
    "", "private memory for each, bytes", "a task for each", "process before, KiB", "left after, KiB",
  })
  for _, row in ipairs(rows) do
    local m = row.memory
    write_row(file, {
      row.title, grouped(m.each), row.tasks and "yes" or "", grouped(m.before / 1024), grouped(m.after / 1024),
    })
  end
end

function report.skipped(file, names)
  if #names > 0 then
    file:write("\nNot measured, because they are not installed or don't answer: ", table.concat(names, ", "), ".\n")
  end
end

return report
