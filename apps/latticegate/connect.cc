// connect: a client that speaks over standard input and output, to an MCP endpoint over HTTP.
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/clock.h"
#include "commands.h"
#include "endpoint.h"
#include "gateway/shim.h"
#include "net/http_client.h"

namespace latticegate::app {

int pass_lines(const client::Options& endpoint) {
  auto url = net::parse_url(endpoint.url);
  if (!url) return complain(endpoint.url, url.error());
  auto tls = client::tls_for(*url, endpoint);
  if (!tls) return complain(endpoint.url, tls.error());
  const base::SystemClock clock;
  net::Loop loop(0, clock);
  constexpr base::Bytes answer_limit{std::uint64_t{64} * 1024 * 1024};
  net::ClientOptions options;
  options.limits.body = answer_limit;
  options.head_timeout = std::chrono::minutes(10);  // an answer may wait for people
  net::HttpPool pool(loop, *url, *std::move(tls), options);
  auto link = gateway::http_link(
      {.url = *url,
       .authorization = endpoint.bearer.empty() ? std::string() : "Bearer " + endpoint.bearer,
       .request_timeout = std::chrono::minutes(10)},
      [&pool](net::Loop&) -> net::HttpPool& { return pool; }, answer_limit);

  gateway::Shim::Lines lines(loop, 64);
  gateway::Shim shim(loop, std::move(link), endpoint.url, [](std::string_view text) {
    std::string line(text);
    line += '\n';
    for (std::string_view rest = line; !rest.empty();) {
      const ssize_t count = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (count <= 0) std::_Exit(done);  // nobody listens any more
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
  });
  // Standard input may be anything that can be read, so it is read by a thread.
  const std::jthread reader([&lines] {
    std::string pending;
    char bytes[16 * 1024];
    const auto hand_over = [&lines](std::string line) {
      if (line.ends_with('\r')) line.pop_back();
      if (line.empty()) return;
      while (!lines.push(line)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    };
    for (;;) {
      const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
      if (count <= 0) break;
      pending.append(bytes, static_cast<std::size_t>(count));
      std::size_t start = 0;
      for (std::size_t end = pending.find('\n'); end != std::string::npos;
           end = pending.find('\n', start)) {
        hand_over(pending.substr(start, end - start));
        start = end + 1;
      }
      pending.erase(0, start);
      if (pending.size() > gateway::Shim::longest_line) break;
    }
    hand_over(std::move(pending));
    lines.close();
  });

  net::TaskGroup tasks([&loop](const std::exception_ptr&) { loop.stop(); });
  tasks.spawn(
      [](net::Loop& on, gateway::Shim& passing, gateway::Shim::Lines& from) -> net::Task<void> {
        co_await passing.run(from, std::chrono::seconds(10));
        on.stop();
      }(loop, shim, lines));
  loop.run();
  return done;
}

void add_connect(CLI::App& parser, Chosen& chosen) {
  CLI::App* const command = parser.add_subcommand(
      "connect", "Serve a client on standard input and output from an MCP endpoint over HTTP");
  auto given = std::make_shared<EndpointArguments>();
  add_endpoint(*command, *given);
  command->footer(
      "For clients that start their servers: in the client's configuration\n"
      "  {\"command\": \"latticegate\", \"args\": [\"connect\", "
      "\"https://gate.example:8443/mcp/files\", \"--token-file\", \"token\"]}");
  command->callback([&chosen, given] {
    chosen = [given] {
      const auto endpoint = endpoint_of(*given);
      return endpoint ? pass_lines(*endpoint) : complain("connect", endpoint.error());
    };
  });
}

}  // namespace latticegate::app
