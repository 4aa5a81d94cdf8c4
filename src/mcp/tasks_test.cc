#include "mcp/tasks.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <vector>

#include "mcp/endpoint.h"

using namespace latticegate;
using mcp::Call;
using mcp::Outcome;
using std::chrono::milliseconds;

namespace {

mcp::Begin begin(mcp::Handler run, bool required = false) {
  mcp::Begin made;
  made.run = std::move(run);
  made.required = required;
  made.keep = milliseconds(60'000);
  return made;
}

mcp::Ask ask_two(std::string_view first, std::string_view second) {
  mcp::Ask ask;
  ask.inputs.push_back({std::string(first), "elicitation/create", "{}"});
  ask.inputs.push_back({std::string(second), "elicitation/create", "{}"});
  return ask;
}

struct Bench {
  Bench()
      : server({.name = "b", .version = "1", .instructions = {}, .seal = {}, .open = {}}),
        table({.wall = {},
               .at = {},
               .next_id = [this] { return std::format("t-{}", ++ids); },
               .changed = [this](std::string_view id) { changed.emplace_back(id); }}),
        endpoint(
            server, [this](const mcp::Endpoint::Output& output) { sent.push_back(output.text); },
            [](mcp::Method, std::string_view) {}, &table) {
    add("slow", [](Call&) -> Outcome {
      return begin([](Call& call) -> Outcome {
        call.progress(1, 2);  // nobody listens
        return mcp::Wait{milliseconds(100),
                         [](Call&) -> Outcome { return mcp::Complete{R"({"content":[]})"}; }};
      });
    });
    add("ask", [](Call&) -> Outcome {
      return begin([](Call& call) -> Outcome {
        if (call.answer("a").exists() && call.answer("b").exists())
          return mcp::Complete{R"({"content":[]})"};
        return ask_two("a", "b");
      });
    });
    add("nag",
        [](Call&) -> Outcome { return begin([](Call&) -> Outcome { return ask_two("a", "b"); }); });
    add("only", [](Call&) -> Outcome {
      return begin([](Call&) -> Outcome { return mcp::Failure{-32603, "broken", {}}; }, true);
    });
  }
  void add(std::string_view name, mcp::Handler handler) {
    server.add_tool(
        std::format(R"({{"name":"{}","description":"d","inputSchema":{{"type":"object"}}}})", name),
        std::move(handler));
  }
  // The answer to a request; `extension` says whether it declares tasks.
  json::Document ask(std::string_view method, std::string_view members, bool extension = true) {
    sent.clear();
    auto message = mcp::Message::parse(std::format(
        R"({{"jsonrpc":"2.0","id":1,"method":"{}","params":{{{},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}}}})",
        method, members,
        extension ? R"({"extensions":{"io.modelcontextprotocol/tasks":{}}})" : "{}"));
    REQUIRE(message.has_value());
    endpoint.receive(*std::move(message), mcp::Era::modern, 1, now);
    REQUIRE(sent.size() <= 1);
    auto document = json::Document::parse(sent.empty() ? "{}" : sent.front());
    REQUIRE(document.has_value());
    return *std::move(document);
  }
  std::string status(std::string_view id) {
    const auto task = ask("tasks/get", std::format(R"("taskId":"{}")", id));
    return std::string(task.root()["result"]["status"].text_or("none"));
  }
  void later(milliseconds time) {
    now += time;
    table.advance(now);
  }
  int ids = 0;
  base::Instant now{};
  std::vector<std::string> sent;
  std::vector<std::string> changed;
  mcp::Server server;
  mcp::TaskTable table;
  mcp::Endpoint endpoint;
};

}  // namespace

TEST_CASE("a call becomes a task, and its result is fetched") {
  Bench bench;
  const auto begun = bench.ask("tools/call", R"("name":"slow")");
  const json::Value result = begun.root()["result"];
  CHECK(result["resultType"].string() == "task");
  CHECK(result["taskId"].string() == "t-1");
  CHECK(result["createdAt"].string() == "1970-01-01T00:00:00.000Z");
  CHECK(result["ttlMs"].integer() == 60'000);
  CHECK(bench.status("t-1") == "working");
  REQUIRE(bench.table.due().has_value());
  bench.later(milliseconds(100));
  CHECK(!bench.table.due().has_value());
  const auto over = bench.ask("tasks/get", R"("taskId":"t-1")");
  CHECK(over.root()["result"]["status"].string() == "completed");
  CHECK(over.root()["result"]["resultType"].string() == "complete");
  CHECK(over.root()["result"]["result"]["content"].is_array());
  CHECK(bench.changed == std::vector<std::string>{"t-1"});
}

TEST_CASE("without the extension the call is answered when it is over, or refused") {
  Bench bench;
  CHECK(!bench.ask("tools/call", R"("name":"slow")", false).root()["result"].exists());
  bench.endpoint.advance(bench.now + milliseconds(100));
  REQUIRE(bench.sent.size() == 1);
  CHECK(bench.sent.front().contains(R"("resultType":"complete")"));
  const auto refused = bench.ask("tools/call", R"("name":"only")", false);
  CHECK(refused.root()["error"]["code"].integer() == mcp::missing_capability_code);
  CHECK(mcp::names_tasks(refused.root()["error"]["data"]["requiredCapabilities"]));
}

TEST_CASE("a protocol error fails the task, a question is asked once") {
  Bench bench;
  (void)bench.ask("tools/call", R"("name":"only")");
  const auto failed = bench.ask("tasks/get", R"("taskId":"t-1")");
  CHECK(failed.root()["result"]["status"].string() == "failed");
  CHECK(failed.root()["result"]["error"]["code"].integer() == -32603);
  (void)bench.ask("tools/call", R"("name":"nag")");
  (void)bench.ask("tasks/update", R"("taskId":"t-2","inputResponses":{"a":{},"b":{}})");
  CHECK(bench.status("t-2") == "failed");
}

TEST_CASE("questions are answered one by one; what nobody asked is passed over") {
  Bench bench;
  (void)bench.ask("tools/call", R"("name":"ask")");
  CHECK(bench.status("t-1") == "input_required");
  (void)bench.ask("tasks/update", R"("taskId":"t-1","inputResponses":{"a":{},"x":{},"b":7})");
  const auto left = bench.ask("tasks/get", R"("taskId":"t-1")");
  CHECK(left.root()["result"]["status"].string() == "input_required");
  CHECK(left.root()["result"]["inputRequests"].size() == 1);
  CHECK(left.root()["result"]["inputRequests"]["b"].exists());
  (void)bench.ask("tasks/update", R"("taskId":"t-1","inputResponses":{"b":{}})");
  CHECK(bench.status("t-1") == "completed");
}

TEST_CASE("what is cancelled stays so, and unknown tasks are none") {
  Bench bench;
  (void)bench.ask("tools/call", R"("name":"slow")");
  CHECK(bench.ask("tasks/cancel", R"("taskId":"t-1")").root()["result"].exists());
  bench.later(milliseconds(1000));
  CHECK(bench.status("t-1") == "cancelled");
  CHECK(bench.ask("tasks/cancel", R"("taskId":"t-1")").root()["result"].exists());
  for (const char* method : {"tasks/get", "tasks/cancel"})
    CHECK(bench.ask(method, R"("taskId":"t-9")").root()["error"]["code"].integer() == -32602);
}

TEST_CASE("a full table takes no more, until what is over is old enough") {
  Bench bench;
  for (std::size_t i = 0; i < mcp::TaskTable::most_tasks; ++i)
    (void)bench.ask("tools/call", R"("name":"only")");
  CHECK(bench.ask("tools/call", R"("name":"only")").root()["error"].exists());
  bench.later(milliseconds(60'001));
  CHECK(bench.ask("tools/call", R"("name":"only")").root()["result"].exists());
  CHECK(bench.status("t-1") == "none");
}
