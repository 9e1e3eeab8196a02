-- Draws the samples of a soak as SVG: one panel for each series, all on the same axis of time.

local WIDTH <const>, HEIGHT <const>, GAP <const> = 760, 110, 34
local LEFT <const>, RIGHT <const>, TOP <const> = 90, 20, 30

local function text(out, x, y, content, attributes)
  out:write(('<text x="%.1f" y="%.1f" %s>%s</text>\n'):format(x, y, attributes or "", content))
end

local function rule(out, x1, y1, x2, y2)
  out:write(('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>\n'):format(x1, y1, x2, y2))
end

local function most(values)
  local highest = 0
  for _, value in ipairs(values) do highest = math.max(highest, value) end
  return highest > 0 and highest * 1.1 or 1
end

-- The seconds up to `warm_up` are grey: they do not count.
local function draw_panel(out, series, top, times, warm_up)
  local span, highest = times[#times], most(series.values)
  local function x(time) return LEFT + time / span * (WIDTH - LEFT - RIGHT) end
  local function y(value) return top + HEIGHT - value / highest * HEIGHT end
  out:write(('<rect x="%d" y="%d" width="%.1f" height="%d" fill="#eee"/>\n'):format(
    LEFT, top, x(warm_up) - LEFT, HEIGHT))
  for part = 0, 2 do
    local value = highest / 1.1 * part / 2
    rule(out, LEFT, y(value), WIDTH - RIGHT, y(value))
    text(out, LEFT - 8, y(value) + 4, ("%.4g"):format(value), 'text-anchor="end"')
  end
  local corners = {}
  for i, value in ipairs(series.values) do corners[i] = ("%.1f,%.1f"):format(x(times[i]), y(value)) end
  out:write(('<polyline points="%s" fill="none" stroke="#d02030" stroke-width="1.8"/>\n'):format(
    table.concat(corners, " ")))
  text(out, LEFT, top - 6, series.title, 'font-weight="bold"')
end

return function(path, all, times, warm_up)
  local out <close> = assert(io.open(path, "w"))
  local height = TOP + #all * (HEIGHT + GAP)
  out:write(('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" '
    .. 'font-size="13">\n<rect width="100%%" height="100%%" fill="#fff"/>\n'):format(WIDTH, height))
  for i, series in ipairs(all) do draw_panel(out, series, TOP + (i - 1) * (HEIGHT + GAP), times, warm_up) end
  text(out, WIDTH / 2, height - 10, ("seconds, 0 to %.0f"):format(times[#times]), 'text-anchor="middle"')
  out:write("</svg>\n")
end
