-- wrk's part of the load: each connection GETs and, every fourth time, PUTs, on names that all connections share. A body
-- says how long it is and what it is filled with, so that one that is cut, or mixed from two versions, is found out.
--
-- Arguments: the header Authorization.

local LENGTHS = { 1000, 16384, 70000 }
local NAMES = 300
local turn, headers = 0, {}

function setup(thread)
   table.insert(threads, thread)
end

threads = {}
broken, first_broken = 0, ""

function init(arguments)
   headers["Authorization"] = arguments[1]
   headers["Content-Type"] = "image/png"
   math.randomseed(tonumber(tostring({}):match("0x(%x+)"), 16) % 2147483647)
end

function request()
   turn = turn + 1
   local path = "/api/v2/users/5500001/media/load-" .. math.random(NAMES)
   if turn % 4 ~= 0 then
      return wrk.format("GET", path, headers)
   end
   local len, fill = LENGTHS[math.random(#LENGTHS)], string.char(96 + math.random(26))
   local head = len .. " " .. fill .. " "
   return wrk.format("PUT", path, headers, head .. fill:rep(len - #head))
end

function response(status, _, body)
   local sound = status == 204
   if status == 200 then
      local len, fill = body:match("^(%d+) (%l) ")
      sound = len ~= nil and #body == tonumber(len) and body:find("[^" .. fill .. "]", #len + 4) == nil
   end
   if not sound then
      broken = broken + 1
      first_broken = status .. " " .. body:sub(1, 200):gsub('[^%w ]', '.')
   end
end

-- One line of JSON behind what wrk says itself.
function done(summary, latency)
   local found, example = 0, ""
   for _, thread in ipairs(threads) do
      found = found + thread:get("broken")
      example = #example > 0 and example or thread:get("first_broken")
   end
   local e = summary.errors
   print(string.format('{"requests": %d, "seconds": %.3f, "broken": %d, "errors": %d, "p99_ms": %.3f, "example": "%s"}',
      summary.requests, summary.duration / 1e6, found, e.connect + e.read + e.write + e.status + e.timeout,
      latency:percentile(99) / 1e3, example))
end
