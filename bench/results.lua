-- What the load generator said, kept as lines of name=value that other tools can read too, and summed up.
local results = {}

local function quantile(values, share)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  return sorted[math.max(1, math.ceil(#sorted * share))]
end
results.quantile = quantile

function results.median(values)
  return quantile(values, 0.5)
end

-- A record is a table of the fields of one line; numbers are numbers.
function results.parse(line)
  local record = { what = line:match("^%a+") }
  for name, value in line:gmatch("([%w_]+)=(%S+)") do
    record[name] = tonumber(value) or value
  end
  return record
end

local function column(records, what, field)
  local values = {}
  for _, record in ipairs(records) do
    if record.what == what then values[#values + 1] = record[field] end
  end
  return values
end

-- Of CPU time, or of time, per operation. Single slices vary, and collectors work in bursts: so slices are taken
-- together in blocks.
local block_size = 5

local function blocks(records, cost_of)
  local list, cost, operations, n = {}, 0, 0, 0
  for _, record in ipairs(records) do
    if record.what == "slice" then
      cost, operations, n = cost + cost_of(record), operations + record.operations, n + 1
      if n % block_size == 0 then
        list[#list + 1] = cost / operations
        cost, operations = 0, 0
      end
    end
  end
  return list
end

local function cpu_of(record) return record.server_cpu * record.operations end
local function time_of(record) return record.operations / record.per_second end

-- How one server's blocks relate to those of another at the same time.
local function ratios(records, base, cost_of)
  local values, below, list = blocks(records, cost_of), blocks(base, cost_of), {}
  for i = 1, math.min(#values, #below) do
    list[i] = values[i] / below[i]
  end
  return list
end

-- Sums up the records of one server, compared with those of the base.
function results.sum(records, base)
  local sum = {}
  sum.cpu, sum.per_second = quantile(blocks(records, cpu_of), 0.5), 1 / quantile(blocks(records, time_of), 0.5)
  for _, field in ipairs { "server_share", "load_share" } do
    sum[field] = quantile(column(records, "slice", field), 0.5)
  end
  local cost = ratios(records, base, cpu_of)
  sum.cost, sum.cost_low, sum.cost_high = quantile(cost, 0.5), quantile(cost, 0.25), quantile(cost, 0.75)
  sum.speed = 1 / quantile(ratios(records, base, time_of), 0.5)
  for _, field in ipairs { "p50", "p99", "p999", "connection_p99_worst", "connection_least", "connection_most" } do
    sum[field] = quantile(column(records, "latency", field), 0.5)
  end
  return sum
end

return results
