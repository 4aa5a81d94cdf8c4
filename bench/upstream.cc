// The MCP server that the bench puts behind everybody: quick, and just enough of both eras of the
// protocol.
//
//   bench_upstream --port N [--certificate PEM --key PEM]
//
// initialize gives a session id; tools/list has one tool, search_customers; tools/call echoes the
// id and answers about 1 KB; GET and subscriptions/listen hold an event stream open until the client leaves. One thread.
// Listens on 127.0.0.1 only; for the bench only.
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <format>
#include <fstream>
#include <iterator>
#include <memory>
#include <print>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "json/value.h"
#include "json/write.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/tls.h"

using namespace latticegate;

namespace {

constexpr std::string_view tools =
    R"({"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{"name":"search_customers","description":)"
    R"("Finds customers by words, newest order first.","inputSchema":{"type":"object","properties":{"query":{"type":"string",)"
    R"("maxLength":2000},"limit":{"type":"integer","minimum":1,"maximum":10000},"branch":{"type":"string"},"fields":)"
    R"({"type":"array","items":{"type":"string"}},"note":{"type":"string"}},"required":["query"],"additionalProperties":false},)"
    R"("annotations":{"readOnlyHint":true,"openWorldHint":false}}]})";
constexpr std::string_view initialized =
    R"({"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"bench","version":"1.0"}})";
constexpr std::string_view discovered =
    R"({"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":0,"cacheScope":"private"})";

// About a kilobyte: five records as JSON in a text, as most servers answer.
std::string made_customers() {
  std::string rows;
  for (int i = 0; i < 5; ++i)
    rows += std::format(
        R"({}{{\"id\":{},\"name\":\"Customer {} of the northern branch\",\"city\":\"Hamburg\",\"last_order\":)"
        R"(\"2025-0{}-12\",\"total\":{}.5,\"note\":\"bought lamps, chairs and a table, paid in time\"}})",
        i == 0 ? "" : ",", 1000 + i, i, i + 1, 1234 + i);
  return R"({"resultType":"complete","content":[{"type":"text","text":"[)" + rows +
         R"(]"}],"isError":false})";
}

class Upstream final : public net::Handler {
 public:
  net::Task<void> handle(net::ServerRequest& request) override {
    if (request.head().method == "GET") co_return co_await stream(request, "");
    const auto body = co_await request.body();
    if (!body) co_return;
    const auto message = json::Document::parse(*body, limits_);
    if (!message || request.head().method != "POST") {
      (void)co_await request.respond(400, "", "text/plain", "what?");
      co_return;
    }
    const json::Value root = message->root();
    if (!root["id"].exists()) {
      (void)co_await request.respond(202, "", "", "");
      co_return;
    }
    const std::string_view method = root["method"].text_or("");
    if (method == "subscriptions/listen")
      co_return co_await stream(
          request,
          std::format(
              R"(data: {{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{}},)"
              R"("_meta":{{"io.modelcontextprotocol/subscriptionId":{}}}}}}})"
              "\n\n",
              json::to_string(root["id"])));
    std::string_view result = "{}";
    std::string headers;
    if (method == "tools/call")
      result = customers_;
    else if (method == "tools/list")
      result = tools;
    else if (method == "server/discover")
      result = discovered;
    else if (method == "initialize") {
      result = initialized;
      headers = std::format("Mcp-Session-Id: bench-{}\r\n", ++sessions_);
    }
    std::string answer =
        R"({"jsonrpc":"2.0","id":)" + json::to_string(root["id"]) + R"(,"result":)";
    answer += result;
    answer += '}';
    (void)co_await request.respond(200, headers, "application/json", answer);
  }

 private:
  static net::Task<void> stream(net::ServerRequest& request, std::string first) {
    net::Event gone(request.loop());
    request.on_hangup([&gone] { gone.set(); });
    if (!co_await request.start_events("")) co_return;
    if (!first.empty() && !co_await request.send_events(first)) co_return;
    co_await gone.wait();
  }

  json::Limits limits_{};
  std::string customers_ = made_customers();
  std::uint64_t sessions_ = 0;
};

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a client that leaves is an error of the write
  std::string port = "0";
  net::TlsServerOptions tls;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--port")
      port = argv[i + 1];
    else if (option == "--certificate")
      tls.certificate_pem = read_file(argv[i + 1]);
    else if (option == "--key")
      tls.key_pem = read_file(argv[i + 1]);
    else
      return 2;
  }
  const base::SystemClock clock;
  const base::Log log(clock, 2, base::Level::warning, base::Log::Format::text);
  std::shared_ptr<const net::TlsContext> context;
  if (!tls.certificate_pem.empty()) {
    tls.profile = pqc::Profile::required;
    auto made = net::TlsContext::server(tls);
    if (!made) {
      std::println(stderr, "bench_upstream: {}", base::describe(made.error()));
      return 2;
    }
    context = *std::move(made);
  }
  net::Loop loop(0, clock);
  const auto address = net::parse_address("127.0.0.1:" + port);
  const auto fd = address ? net::listen_on(*address, false) : std::unexpected(address.error());
  if (!fd) {
    std::println(stderr, "bench_upstream: {}", base::describe(fd.error()));
    return 2;
  }
  Upstream upstream;
  net::HttpServerOptions options;
  options.idle_timeout = std::chrono::hours(1);
  net::HttpServer server(loop, upstream, options,
                         std::make_shared<net::ConnectionLimits>(100'000, 100'000), log);
  net::Acceptor acceptor(loop, *fd, [&](int accepted, net::Peer peer) {
    server.accept(accepted, std::move(peer), context);
  });
  net::TaskGroup tasks([](const std::exception_ptr&) {});
  tasks.spawn(acceptor.run());
  std::println(stderr, "ready {}", net::bound_port(*fd));
  loop.run();  // until the bench ends the process
  std::_Exit(0);
}
