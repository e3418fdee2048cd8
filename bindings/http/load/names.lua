-- GETs names by turns, from requests that were put together once: wrk must not be what is measured.
--
-- Arguments: what the paths begin with, how many there are, and the header Authorization or nothing.

local requests, turn = {}, 0

function init(arguments)
   local headers = { ["Authorization"] = arguments[3] }
   for number = 0, tonumber(arguments[2]) - 1 do
      requests[number] = wrk.format("GET", arguments[1] .. number, headers)
   end
   -- Not all threads at the same name.
   turn = tonumber(tostring({}):match("0x(%x+)"), 16) % (#requests + 1)
end

function request()
   turn = (turn + 1) % (#requests + 1)
   return requests[turn]
end

function done(summary, latency)
   local e = summary.errors
   print(string.format('{"requests": %d, "seconds": %.3f, "errors": %d, "p99_ms": %.3f}', summary.requests,
      summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(99) / 1e3))
end
