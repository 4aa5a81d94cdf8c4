// What each stage of a 600-byte call with a 1 KB answer costs, alone, on one thread: nanoseconds of
// thread CPU time, the best of several batches. Meaningful in the release preset only. Inspection
// and policy have benches of their own.
#include <time.h>

#include <array>
#include <format>
#include <limits>
#include <print>
#include <string>
#include <vector>

#include "audit/record.h"
#include "behaviour/habits.h"
#include "behaviour/records.h"
#include "behaviour/watch.h"
#include "crypto/hash.h"
#include "json/value.h"
#include "json/write.h"
#include "mcp/message.h"
#include "mcp/revision.h"
#include "net/http.h"
#include "net/sse.h"
#include "provenance/trail.h"

using namespace latticegate;

namespace {

double thread_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Keeps the optimiser from dropping work.
volatile std::size_t sink = 0;

void measure(std::string_view name, auto&& work) {
  constexpr int calls = 2000;
  double best = std::numeric_limits<double>::max();
  for (int batch = 0; batch < 25; ++batch) {
    const double start = thread_ns();
    for (int i = 0; i < calls; ++i) sink = sink + work();
    best = std::min(best, (thread_ns() - start) / calls);
  }
  std::println("{:44} {:8.0f} ns", name, best);
}

std::string call_body() {
  return std::format(
      R"({{"jsonrpc":"2.0","id":123456,"method":"tools/call","params":{{"name":"search_customers","arguments":{{"query":"{}","limit":20,"filter":{{"city":"Rotterdam","status":"active","since":"2019-04-01"}},"note":"{}"}},"_meta":{{"progressToken":7}}}}}})",
      "customers who called twice about the same invoice last month", std::string(280, 'n'));
}

std::string answer_body() {
  std::string rows;
  for (int i = 0; i < 7; ++i)
    rows += std::format(
        R"({}{{\"name\":\"Customer number {}\",\"city\":\"Rotterdam\",\"since\":\"2019-04-{:02}\",\"orders\":{},\"note\":\"call in the morning\"}})",
        i == 0 ? "" : ",", i, i + 1, i * 7);
  return std::format(
      R"({{"jsonrpc":"2.0","id":123456,"result":{{"content":[{{"type":"text","text":"[{}]"}}],"isError":false}}}})",
      rows);
}

}  // namespace

int main() {
  const std::string call = call_body();
  const std::string answer = answer_body();
  std::string head =
      "POST /mcp/crm HTTP/1.1\r\nHost: gate.example:8443\r\nContent-Type: "
      "application/json\r\nAccept: application/json, text/event-stream\r\n";
  head +=
      "User-Agent: bench\r\nMcp-Session-Id: 0123456789abcdef\r\nMCP-Protocol-Version: "
      "2025-11-25\r\nAuthorization: Bearer ";
  head += std::string(330, 't') + std::format("\r\nContent-Length: {}\r\n\r\n", call.size());
  const std::string request = head + call;
  std::println("call {} bytes, head {} bytes, answer {} bytes", call.size(), head.size(),
               answer.size());

  net::HttpParser http(net::HttpParser::Side::request, {});
  measure("HTTP request: head and body", [&] {
    http.reset();
    std::size_t at = 0;
    while (!http.message_complete()) at += http.feed(std::string_view(request).substr(at))->used;
    return http.head().headers.size();
  });
  measure("JSON: parse the call", [&] { return json::Document::parse(call)->root().size(); });
  measure("JSON: parse the answer", [&] { return json::Document::parse(answer)->root().size(); });
  const auto parsed = mcp::Message::parse(call);
  const auto reply = mcp::Message::parse(answer);
  measure("message: parse and classify the call", [&] {
    const auto message = mcp::Message::parse(call);
    return static_cast<std::size_t>(mcp::classify(*message, {}).has_value());
  });
  measure("message: write the call with a new id", [&] {
    const std::array edits{json::Edit{parsed->id(), "77"}};
    return parsed->text(edits).size();
  });
  measure("message: write the answer with a new id", [&] {
    const std::array edits{json::Edit{reply->id(), "77"}};
    return reply->text(edits).size();
  });
  measure("behaviour: count the answer's records",
          [&] { return behaviour::count_records(reply->result()); });
  measure("behaviour: records asked for",
          [&] { return behaviour::asked_records(parsed->params()["arguments"]).value_or(0); });
  behaviour::Watch watch;
  behaviour::Lessons lessons;
  const behaviour::Settings settings;
  std::int64_t time = 1'795'000'000'000'000'000;
  measure("behaviour: before and after a call", [&] {
    const base::Time now{std::chrono::nanoseconds(time += 1'000'000)};
    const behaviour::Pair pair{"agent", "crm", "search_customers"};
    const auto before = watch.before(pair, {.at = now, .asked = 20}, settings);
    const auto after =
        watch.after(pair, {.at = now, .records = 7, .bytes = 900, .asked = 20}, settings, lessons);
    return static_cast<std::size_t>(before.score + after.score);
  });
  behaviour::Habits habits;
  const behaviour::Touched touched[] = {{behaviour::Thing::tool, "crm/search_customers"},
                                        {behaviour::Thing::server, "crm"},
                                        {behaviour::Thing::segment, "sales"}};
  std::uint64_t turn = 0;
  measure("behaviour: habits before and after a call", [&] {
    const base::Time now{std::chrono::nanoseconds(time += 1'000'000'000)};
    const behaviour::Act act{.at = now,
                             .touched = touched,
                             .tool = ++turn % 8,
                             .arguments = turn,
                             .number = static_cast<std::int64_t>(turn * 7919 % 1000)};
    const behaviour::Who who{"agent", "bots"};
    const auto before = habits.before(who, act, settings);
    const auto after = habits.after(who, act, {.records = 7}, settings);
    return static_cast<std::size_t>(before.score + after.score);
  });
  provenance::Trail trail({}, {});
  const std::vector<std::string> web{"web"};
  const base::Time noon{std::chrono::nanoseconds(time)};
  measure("provenance: an untrusted answer", [&] {
    trail.after(reply->result(), {.server = "web", .subject = "get", .taint = web}, noon);
    return trail.bytes();
  });
  measure("provenance: a trusted answer", [&] {
    trail.after(reply->result(), {.server = "crm", .subject = "get"}, noon);
    return trail.bytes();
  });
  const json::Value arguments = parsed->params()["arguments"];
  measure("provenance: arguments",
          [&] { return trail.before(arguments, {"crm", "search", false}, noon).marks.size(); });
  trail.after(reply->result(), {.server = "hr", .subject = "get", .sensitive = true}, noon);
  measure("provenance: arguments on their way out",
          [&] { return trail.before(arguments, {"post", "send", true}, noon).marks.size(); });
  audit::RecordWriter writer("acme/prod/node-1");
  audit::Record record;
  record.type = audit::Type::call_decided;
  record.agent.ref = "support-bot";
  record.server.id = "crm";
  record.tool = "search_customers";
  record.method = "tools/call";
  record.session = "c-1f0a93b24c5d";
  record.decision = audit::Decision::allow;
  measure("audit: write one record", [&] { return writer.write(record).text.size(); });
  measure("crypto: SHA-256 of the token", [&] {
    return static_cast<std::size_t>(
        std::to_integer<int>(crypto::sha256(std::string_view(head).substr(200, 330))[0]));
  });
  std::string event;
  net::write_event(answer, std::nullopt, event);
  measure("SSE: read one event", [&] {
    net::SseParser events({1 << 20});
    if (!events.feed(event)) return std::size_t{0};
    return events.next()->data.size();
  });
}
