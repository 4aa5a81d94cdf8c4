-- wrk script: MCP tools/call requests of about 600 bytes whose ids and arguments change from call to call.
-- From the environment: BENCH_TOKENS (comma-separated bearer tokens, taken in turn), BENCH_SESSION (Mcp-Session-Id, legacy
-- era), BENCH_PAD (bytes added to the body). Prints one line of JSON at the end.
local tokens = {}
for token in string.gmatch(os.getenv("BENCH_TOKENS") or "token", "[^,]+") do tokens[#tokens + 1] = token end
local session = os.getenv("BENCH_SESSION") or ""
local padding = tonumber(os.getenv("BENCH_PAD") or "0")
local words = "please look for customers of the northern branch whose last order is older than a year and tell me what they bought from us, sorted by what they spent in all the years together "

local modern = session == ""
local meta = ""
local heads = {}
for i, token in ipairs(tokens) do
  local head = {
    ["Content-Type"] = "application/json",
    ["Accept"] = "application/json, text/event-stream",
    ["User-Agent"] = "bench/1.0",
    ["Authorization"] = "Bearer " .. token,
  }
  if modern then
    head["MCP-Protocol-Version"] = "2026-07-28"
    head["Mcp-Method"] = "tools/call"
    head["Mcp-Name"] = "search_customers"
  else
    head["MCP-Protocol-Version"] = "2025-11-25"
    head["Mcp-Session-Id"] = session
  end
  heads[i] = head
end
if modern then
  meta = ',"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},'
      .. '"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0"}}'
end
local note = words
if padding > 0 then note = string.rep(words, math.ceil((padding + #words) / #words)):sub(1, #words + padding) end
local tail = '","limit":5,"branch":"north","fields":["id","name","city","last_order","total"],"note":"' .. note .. '"}' .. meta .. "}}"
local start = '{"jsonrpc":"2.0","id":'
local middle = ',"method":"tools/call","params":{"name":"search_customers","arguments":{"query":"last_order before 2025-11-22 and account '

local counter = 100000000 + math.floor((os.time() % 100000) * 1000)
request = function()
  counter = counter + 1
  return wrk.format("POST", nil, heads[counter % #heads + 1], start .. counter .. middle .. counter .. tail)
end

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"bytes":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,"errors":%d,"bad_status":%d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency.max, e.connect + e.read + e.write + e.timeout, e.status))
end
