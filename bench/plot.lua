-- Draws the cost of a message against the number of connections, from the figures of the suite "growth": lua5.4
-- bench/plot.lua build/bench/growth.txt >cost.svg
package.path = "bench/?.lua;" .. package.path
local results = require("results")

local width, height = 760, 460
local left, right, top, bottom = 60, 170, 40, 50
local colours = {
  libuv = "#555", epoll = "#aaa", arsenal = "#d02030", luv = "#2060c0", ["luv-try"] = "#60a0e0", cqueues = "#20804a",
  go = "#00a0b0", node = "#b07000", uvloop = "#8040b0",
}

-- --- The data ---

-- Returns the lines in the order of the file: each has a name and points { connections, microseconds }.
local function read_lines(path)
  local lines, values = {}, {}
  for text in io.lines(path) do
    local record = results.parse(text)
    if record.what == "slice" and record.growth then
      local name, n = record.contestant, record.connections
      if not values[name] then
        values[name] = {}
        lines[#lines + 1] = { name = name, points = {} }
      end
      values[name][n] = values[name][n] or {}
      table.insert(values[name][n], record.server_cpu)
    end
  end
  for _, line in ipairs(lines) do
    for n, list in pairs(values[line.name]) do
      table.insert(line.points, { n, results.median(list) })
    end
    table.sort(line.points, function(a, b) return a[1] < b[1] end)
  end
  return lines
end

local function range(lines)
  local most_connections, most_cost = 1, 0
  for _, line in ipairs(lines) do
    for _, point in ipairs(line.points) do
      most_connections = math.max(most_connections, point[1])
      most_cost = math.max(most_cost, point[2])
    end
  end
  return most_connections, most_cost
end

-- --- The picture ---

local function scales(most_connections, most_cost)
  local decades = math.max(1, math.log(most_connections, 10))
  local function x(n) return left + math.log(n, 10) / decades * (width - left - right) end
  local function y(cost) return height - bottom - cost / most_cost * (height - top - bottom) end
  return x, y
end

local function text(x, y, content, attributes)
  print(('<text x="%.1f" y="%.1f" %s>%s</text>'):format(x, y, attributes or "", content))
end

local function rule(x1, y1, x2, y2)
  print(('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>'):format(x1, y1, x2, y2))
end

local function draw_axes(x, y, most_connections, most_cost)
  local step = most_cost > 60 and 20 or most_cost > 25 and 10 or 5
  for cost = 0, most_cost, step do
    rule(left, y(cost), width - right, y(cost))
    text(left - 8, y(cost) + 4, cost, 'text-anchor="end"')
  end
  local n = 1
  while n <= most_connections do
    rule(x(n), top, x(n), height - bottom)
    text(x(n), height - bottom + 18, n, 'text-anchor="middle"')
    n = n * 10
  end
  text(left, top - 16, "server CPU per echoed message of 64 bytes, µs", 'font-weight="bold"')
  text((left + width - right) / 2, height - 10, "connections", 'text-anchor="middle"')
end

local function draw_line(line, x, y)
  local colour, corners = colours[line.name] or "#000", {}
  for i, point in ipairs(line.points) do
    corners[i] = ("%.1f,%.1f"):format(x(point[1]), y(point[2]))
  end
  print(('<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"/>'):format(
    table.concat(corners, " "), colour, line.name == "arsenal" and 3.5 or 1.8))
end

-- Names stand at the lines' ends, moved apart where they would overlap.
local function draw_names(lines, x, y)
  local ends = {}
  for i, line in ipairs(lines) do
    local last = line.points[#line.points]
    ends[i] = { line = line, x = x(last[1]), y = y(last[2]) }
  end
  table.sort(ends, function(a, b) return a.y < b.y end)
  local free = top
  for _, e in ipairs(ends) do
    local height_of_name = math.max(e.y, free)
    free = height_of_name + 15
    text(width - right + 10, height_of_name + 4, e.line.name, ('fill="%s"'):format(colours[e.line.name] or "#000"))
  end
end

local function main(path)
  local lines = read_lines(path)
  local most_connections, most_cost = range(lines)
  local x, y = scales(most_connections, most_cost)
  print(('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">')
    :format(width, height))
  print('<rect width="100%" height="100%" fill="#fff"/>')
  draw_axes(x, y, most_connections, most_cost)
  for _, line in ipairs(lines) do draw_line(line, x, y) end
  draw_names(lines, x, y)
  print("</svg>")
end

main(assert(arg[1], "whose figures?"))
