-- What wrk sends: requests from a file, one a line: METHOD TARGET SIGNATURE BODY, with - for no signature and nothing for
-- no body. By default each is drawn at random, so that a share of the lines is a share of the load; with BENCH_ONCE each
-- is sent once, in order, and a thread that has no more stops.
--
-- wrk calls the functions: setup in the main thread for each thread, init and request in that thread, done at the end.

local path, key = os.getenv("BENCH_REQUESTS"), os.getenv("BENCH_API_KEY")
local is_once = os.getenv("BENCH_ONCE") == "1"
local thread_count = tonumber(os.getenv("BENCH_THREADS"))
local threads = {}
local requests, is_order = {}, {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

-- Global, for the main thread reads them at the end: how many requests were handed out, and how many were orders.
sent, orders, is_exhausted = 0, 0, 0

function init()
  local line_number = 0
  for line in io.lines(path) do
    line_number = line_number + 1
    if not is_once or line_number % thread_count == number % thread_count then
      local method, target, signature, body = line:match("^(%S+) (%S+) (%S+) ?(.*)$")
      local headers = { ["X-API-Key"] = key }
      if signature ~= "-" then headers["X-Webhook-Signature"] = signature end
      if body == "" then body = nil else headers["Content-Type"] = "application/json" end
      headers["Host"] = wrk.headers["Host"]
      table.insert(requests, wrk.format(method, target, headers, body))
      table.insert(is_order, method == "POST" and target == "/orders")
    end
  end
  math.randomseed(20260301 + number)
end

function request()
  local index = is_once and sent + 1 or math.random(#requests)
  if index > #requests then
    is_exhausted = 1
    wrk.thread:stop()
    return requests[#requests]
  end
  sent = sent + 1
  if is_order[index] then orders = orders + 1 end
  return requests[index]
end

function done(summary, latency)
  local total_sent, total_orders, exhausted, most_sent = 0, 0, 0, 0
  for _, thread in ipairs(threads) do
    total_sent = total_sent + thread:get("sent")
    total_orders = total_orders + thread:get("orders")
    exhausted = exhausted + thread:get("is_exhausted")
    most_sent = math.max(most_sent, thread:get("sent"))
  end
  local errors = summary.errors
  print(string.format(
    'BENCH {"requests":%d,"duration_us":%d,"sent":%d,"orders_sent":%d,"most_sent":%d,"exhausted":%d,"refused":%d,'
      .. '"broken":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d}',
    summary.requests, summary.duration, total_sent, total_orders, most_sent, exhausted, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
