#include "mcp/endpoint.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <vector>

using namespace latticegate;
using mcp::Call;
using mcp::Outcome;

namespace {

// A server with one tool of each kind, and everything that it sent.
struct Bench {
  Bench() : server(options()) {
    server.add_tool(R"({"name":"say","description":"d","inputSchema":{"type":"object"}})",
                    [](Call&) -> Outcome { return mcp::Complete{R"({"content":[]})"}; });
    server.add_tool(R"({"name":"wait","description":"d","inputSchema":{"type":"object"}})",
                    [](Call& call) -> Outcome {
                      call.progress(1, 2);
                      call.log("info", R"("begun")");
                      return mcp::Wait{
                          std::chrono::milliseconds(50), [](Call& later) -> Outcome {
                            later.announce(mcp::Method::notifications_tools_list_changed);
                            return mcp::Complete{R"({"content":[]})"};
                          }};
                    });
    server.add_tool(
        R"({"name":"ask","description":"d","inputSchema":{"type":"object"}})",
        [](Call& call) -> Outcome {
          if (const json::Value answer = call.answer("q"); answer.exists())
            return mcp::Complete{std::format(R"({{"structuredContent":{{"got":{},"state":"{}"}}}})",
                                             json::to_string(answer), call.state())};
          mcp::Ask ask;
          ask.inputs.push_back({"q", "elicitation/create", R"({"message":"m"})"});
          ask.state = "s1";
          return ask;
        });
  }
  static mcp::Server::Options options() {
    mcp::Server::Options made;
    made.name = "bench";
    made.version = "1";
    made.seal = [](std::string_view text) { return "sealed:" + std::string(text); };
    made.open = [](std::string_view text) -> std::optional<std::string> {
      if (!text.starts_with("sealed:")) return std::nullopt;
      return std::string(text.substr(7));
    };
    return made;
  }
  // The outputs of one message, a line each: "stream text", with "!" behind the last of a stream.
  std::vector<std::string> send(mcp::Endpoint& endpoint, std::string_view text,
                                std::uint64_t stream) {
    auto message = mcp::Message::parse(text);
    REQUIRE(message.has_value());
    const bool modern = mcp::reserved_meta(message->meta(), "protocolVersion").exists();
    endpoint.receive(*std::move(message), modern ? mcp::Era::modern : mcp::Era::legacy, stream,
                     now);
    for (const mcp::Method change : std::exchange(changes, {})) endpoint.changed(change, {});
    return std::exchange(sent, {});
  }
  std::vector<std::string> later(mcp::Endpoint& endpoint, std::chrono::milliseconds time) {
    now += time;
    endpoint.advance(now);
    for (const mcp::Method change : std::exchange(changes, {})) endpoint.changed(change, {});
    return std::exchange(sent, {});
  }
  mcp::Endpoint endpoint() {
    return mcp::Endpoint(
        server,
        [this](const mcp::Endpoint::Output& output) {
          sent.push_back(
              std::format("{} {}{}", output.stream, output.text, output.last ? "!" : ""));
        },
        [this](mcp::Method change, std::string_view) { changes.push_back(change); });
  }
  mcp::Server server;
  base::Instant now{};
  std::vector<std::string> sent;
  std::vector<mcp::Method> changes;
};

using Lines = std::vector<std::string>;

std::string modern(std::string_view id, std::string_view method, std::string_view members) {
  return std::format(
      R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{{{}{}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}})",
      id, method, members, members.empty() ? "" : ",");
}

constexpr std::string_view info =
    R"("_meta":{"io.modelcontextprotocol/serverInfo":{"name":"bench","version":"1"}})";

}  // namespace

TEST_CASE("a legacy call: notifications first, the answer after its time") {
  Bench bench;
  mcp::Endpoint endpoint = bench.endpoint();
  CHECK(
      bench.send(
          endpoint,
          R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait","_meta":{"progressToken":"t"}}})",
          4) ==
      Lines{
          R"(4 {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1,"total":2}})",
          R"(4 {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","logger":"server","data":"begun"}})"});
  REQUIRE(endpoint.due().has_value());
  CHECK(bench.later(endpoint, std::chrono::milliseconds(49)).empty());
  CHECK(bench.later(endpoint, std::chrono::milliseconds(1)) ==
        Lines{R"(4 {"jsonrpc":"2.0","id":1,"result":{"content":[]}}!)"});
  CHECK(!endpoint.due().has_value());
}

TEST_CASE("a modern call has its envelope, and no log that it did not ask for") {
  Bench bench;
  mcp::Endpoint endpoint = bench.endpoint();
  CHECK(bench.send(endpoint, modern("7", "tools/call", R"("name":"wait")"), 1).empty());
  CHECK(bench.later(endpoint, std::chrono::milliseconds(50)) ==
        Lines{std::format(
            R"(1 {{"jsonrpc":"2.0","id":7,"result":{{"resultType":"complete",{},"content":[]}}}}!)",
            info)});
}

TEST_CASE("questions: a request of the server in one era, another round in the other") {
  Bench bench;
  mcp::Endpoint legacy = bench.endpoint();
  CHECK(
      bench.send(legacy,
                 R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask"}})", 2) ==
      Lines{
          R"(2 {"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"m"}})"});
  CHECK(bench.send(legacy, R"({"jsonrpc":"2.0","id":9,"result":{}})", 3).empty());  // nobody asked
  CHECK(
      bench.send(legacy, R"({"jsonrpc":"2.0","id":"q","result":{"action":"accept"}})", 4) ==
      Lines{
          R"(2 {"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"got":{"action":"accept"},"state":"s1"}}}!)"});

  mcp::Endpoint first = bench.endpoint();
  CHECK(bench.send(first, modern("1", "tools/call", R"("name":"ask")"), 1) ==
        Lines{"1 "
              "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"input_required\","
              "\"inputRequests\":{\"q\":{\"method\":\"elicitation/"
              "create\",\"params\":{\"message\":\"m\"}}},\"requestState\":\"sealed:tools/call "
              "ask\\ns1\"}}!"});
  mcp::Endpoint second = bench.endpoint();
  CHECK(
      bench.send(
          second,
          modern(
              "2", "tools/call",
              R"("name":"ask","inputResponses":{"q":{"action":"accept"}},"requestState":"sealed:tools/call ask\ns1")"),
          1) ==
      Lines{std::format(
          R"(1 {{"jsonrpc":"2.0","id":2,"result":{{"resultType":"complete",{},"structuredContent":{{"got":{{"action":"accept"}},"state":"s1"}}}}}}!)",
          info)});
  // A state that is not ours, and one of another tool.
  for (const char* state : {"tools/call ask\\ns1", "sealed:tools/call say\\ns1"}) {
    const auto lines = bench.send(
        second,
        modern("3", "tools/call", std::format(R"("name":"ask","requestState":"{}")", state)), 2);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].contains("-32602"));
  }
}

TEST_CASE("a listen is acknowledged first, and hears what it asked for") {
  Bench bench;
  mcp::Endpoint endpoint = bench.endpoint();
  CHECK(
      bench.send(
          endpoint,
          modern("\"L\"", "subscriptions/listen", R"("notifications":{"toolsListChanged":true})"),
          5) ==
      Lines{
          R"(5 {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/subscriptionId":"L"}}})"});
  (void)bench.send(endpoint, modern("1", "tools/call", R"("name":"wait")"), 6);
  const auto lines = bench.later(endpoint, std::chrono::milliseconds(50));
  REQUIRE(lines.size() == 2);
  CHECK(
      lines[1] ==
      R"(5 {"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"L"}}})");
  endpoint.leave(5);
  endpoint.changed(mcp::Method::notifications_tools_list_changed, {});
  CHECK(bench.sent.empty());
}

TEST_CASE("a call that is cancelled or whose client left says nothing any more") {
  Bench bench;
  mcp::Endpoint endpoint = bench.endpoint();
  (void)bench.send(
      endpoint, R"({"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"wait"}})", 1);
  CHECK(bench.send(
            endpoint,
            R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}})",
            2) == Lines{"1 !"});
  (void)bench.send(endpoint, modern("1", "tools/call", R"("name":"wait")"), 3);
  endpoint.leave(3);
  CHECK(!endpoint.due().has_value());
  CHECK(bench.later(endpoint, std::chrono::seconds(1)).empty());
}

TEST_CASE("methods of the other era do not exist") {
  Bench bench;
  mcp::Endpoint endpoint = bench.endpoint();
  for (const char* method : {"initialize", "ping", "logging/setLevel", "resources/subscribe",
                             "tasks/list", "nonsense"}) {
    const auto lines = bench.send(endpoint, modern("1", method, ""), 1);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].contains("-32601"));
  }
  for (const char* method : {"server/discover", "subscriptions/listen"}) {
    const auto lines =
        bench.send(endpoint, std::format(R"({{"jsonrpc":"2.0","id":1,"method":"{}"}})", method), 1);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].contains("-32601"));
  }
}
