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

-- The ratios of two servers' slices, round by round.
local function ratios(records, base, field)
  local values, below = column(records, "slice", field), column(base, "slice", field)
  local list = {}
  for i = 1, math.min(#values, #below) do
    list[i] = values[i] / below[i]
  end
  return list
end

-- Sums up the records of one server, compared with those of the base in the same rounds.
function results.sum(records, base)
  local sum = {}
  for _, field in ipairs { "server_cpu", "per_second", "server_share", "load_share" } do
    sum[field] = quantile(column(records, "slice", field), 0.5)
  end
  local cost, speed = ratios(records, base, "server_cpu"), ratios(records, base, "per_second")
  sum.cost, sum.cost_low, sum.cost_high = quantile(cost, 0.5), quantile(cost, 0.25), quantile(cost, 0.75)
  sum.speed = quantile(speed, 0.5)
  for _, field in ipairs { "p50", "p99", "p999", "connection_p99_worst", "connection_least", "connection_most" } do
    sum[field] = quantile(column(records, "latency", field), 0.5)
  end
  return sum
end

return results
