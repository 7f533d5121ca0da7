-- The requests of wrk, from a file for each thread that was prepared before the run. Each request is preceded by its
-- length in four digits and its kind: "o" for an order, "k" for an order that gets a new random Idempotency-Key of 32
-- characters at BENCH_KEY_OFFSET, "-" for all others. They are sent in the file's order, which is random. At the end of the
-- file it starts again; with BENCH_ONCE the thread stops.
--
-- wrk calls the functions: setup in the main thread, for each thread; init before the thread starts, one thread after
-- another, so it must be short; request in the thread; done at the end.

local path, is_once = os.getenv("BENCH_REQUESTS"), os.getenv("BENCH_ONCE") == "1"
local key_offset = tonumber(os.getenv("BENCH_KEY_OFFSET"))
local threads = {}
local requests, position, last = "", 1, nil

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

-- Global, since the main thread reads them at the end: how many requests were sent, and how many of them were orders.
sent, orders, is_exhausted = 0, 0, 0

function init()
  local file = assert(io.open(path .. "." .. number, "rb"))
  requests = file:read("*a")
  file:close()
  math.randomseed(tonumber(os.getenv("BENCH_SEED")) + number)
end

local function key()
  local random = math.random
  local max = 0xffffffff
  return string.format("%08x%08x%08x%08x", random(0, max), random(0, max), random(0, max), random(0, max))
end

function request()
  if position > #requests then
    if is_once then
      is_exhausted = 1
      wrk.thread:stop()
      return last
    end
    position = 1
  end
  local length = tonumber(requests:sub(position, position + 3))
  local kind = requests:byte(position + 4)
  local first, after = position + 5, position + 5 + length
  if kind == 107 then -- k
    last = requests:sub(first, first + key_offset - 1) .. key() .. requests:sub(first + key_offset + 32, after - 1)
  else
    last = requests:sub(first, after - 1)
  end
  if kind ~= 45 then orders = orders + 1 end -- not "-"
  sent = sent + 1
  position = after
  return last
end

function done(summary, latency)
  local total_sent, total_orders, exhausted = 0, 0, 0
  for _, thread in ipairs(threads) do
    total_sent = total_sent + thread:get("sent")
    total_orders = total_orders + thread:get("orders")
    exhausted = exhausted + thread:get("is_exhausted")
  end
  local errors = summary.errors
  print(string.format(
    'BENCH {"requests":%d,"duration_us":%d,"sent":%d,"orders_sent":%d,"exhausted":%d,"refused":%d,'
      .. '"broken":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d}',
    summary.requests, summary.duration, total_sent, total_orders, exhausted, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
