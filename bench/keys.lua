-- wrk: 1,000 products at random, each request built once; one JSON line at the end.

local requests = {}

function init()
  math.randomseed(1)
  for toy = 0, 999 do
    requests[toy + 1] = wrk.format("GET", string.format("/products/toy-%04d", toy))
  end
end

function request()
  return requests[math.random(1000)]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"per_second":%.1f,"p50_us":%d,"p99_us":%d,"all":%d,"failed":%d}\n',
    summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99), summary.requests,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
