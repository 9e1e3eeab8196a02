-- Times and dates. They are never cached, so `ngx.update_time` has nothing to do.

local core = require("arsenal.core")

local clock = {}

local function stamp(format, time)
  return os.date(format, math.floor(time or os.time()))
end

---Waits.
---@param seconds number
---@async
function clock.sleep(seconds)
  local time = tonumber(seconds)
  if not time then
    error(("bad argument #1 to 'sleep' (number expected, got %s)"):format(type(seconds)), 2)
  end
  if time ~= time or time < 0 then
    error("bad argument #1 to 'sleep' (invalid sleep duration \"" .. ("%.14g"):format(time * 1000) .. "\")", 2)
  end
  core.sleep(time)
end

---Returns the time in seconds since 1970, with milliseconds.
---@return number
function clock.now()
  return math.floor(core.time_of_day() * 1000) / 1000
end

---Returns the time in seconds since 1970.
---@return integer
function clock.time()
  return os.time()
end

function clock.update_time() end

function clock.today() return stamp("%Y-%m-%d") end
function clock.localtime() return stamp("%Y-%m-%d %H:%M:%S") end
function clock.utctime() return stamp("!%Y-%m-%d %H:%M:%S") end

local days <const> = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local months <const> = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

local LAST <const> = 253402300799 -- the end of the year 9999

-- Days from 1970-01-01 to a date of the Gregorian calendar.
local function days_since_1970(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
end

-- The year and the month of a day that is counted from 1970-01-01.
local function month_of(day)
  local year, month = 1970 + day * 400 // 146097, 12
  if days_since_1970(year + 1, 1, 1) <= day then year = year + 1 end
  if days_since_1970(year, 1, 1) > day then year = year - 1 end
  while days_since_1970(year, month, 1) > day do month = month - 1 end
  return year, month
end

-- Times before 1970, and what is no time at all, are its beginning. os.date ends in 2038 where C's time has 32 bits.
local function date_of(time)
  if type(time) ~= "number" then error("number argument only", 3) end
  local is_time = time > 0 and time < math.huge
  local seconds = is_time and math.floor(math.min(time, LAST)) or 0
  local day = seconds // 86400
  local year, month = month_of(day)
  return {
    year = year, month = month, day = day - days_since_1970(year, month, 1) + 1, wday = (day + 4) % 7 + 1,
    hour = seconds // 3600 % 24, min = seconds // 60 % 60, sec = seconds % 60,
  }
end

local function dated(format, date)
  return format:format(days[date.wday], date.day, months[date.month], date.year, date.hour, date.min, date.sec)
end

---Returns a time as HTTP headers have it: "Thu, 18 Nov 2010 11:27:35 GMT".
---@param time number seconds since 1970
---@return string
function clock.http_time(time)
  return dated("%s, %02d %s %04d %02d:%02d:%02d GMT", date_of(time))
end

---Returns a time as cookies have it: "Thu, 18-Nov-10 11:27:35 GMT".
---@param time number seconds since 1970
---@return string
function clock.cookie_time(time)
  local date = date_of(time)
  local text = dated("%s, %02d-%s-%04d %02d:%02d:%02d GMT", date)
  if date.year > 2037 then return text end
  return (text:gsub("%-%d%d(%d%d) ", "-%1 ", 1))
end

-- Years of two digits are those from 1970 to 2069.
local function full_year(digits)
  local year = math.tointeger(digits)
  if #digits == 4 then return year end
  return year + (year < 70 and 2000 or 1900)
end

---Returns the seconds since 1970 of a time as `http_time` or `cookie_time` writes it, or nil.
---@param text string
---@return integer? time
function clock.parse_http_time(text)
  if type(text) ~= "string" then error("string argument only", 2) end
  local day, name, year, hour, minute, second =
    text:match("^%a+, (%d%d)[ -](%a%a%a)[ -](%d%d%d?%d?) (%d%d):(%d%d):(%d%d) GMT$")
  for month, other in ipairs(months) do
    if other == name then
      local date = days_since_1970(full_year(year), month, math.tointeger(day))
      return date * 86400 + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second)
    end
  end
  return nil
end

return clock
