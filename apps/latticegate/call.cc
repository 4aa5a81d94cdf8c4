// call: one tool call through the gateway (or to any MCP server over HTTP), from the command line.
#include <unistd.h>

#include <print>

#include "base/log.h"
#include "client/client.h"
#include "commands.h"
#include "endpoint.h"
#include "json/write.h"
#include "tool_arguments.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

struct Arguments : EndpointArguments {
  std::string tool;
  std::vector<std::string> values;
  std::string json;
  std::string method;
  std::string params;
  bool modern = false;
  bool raw = false;
  bool verbose = false;
  int repeat = 1;
};

// What the answer says to people: the text blocks of a tool result, the whole JSON otherwise.
int show(const mcp::Message& answer, bool raw) {
  if (answer.error().exists()) {
    const std::int64_t code = answer.error()["code"].integer().value_or(0);
    std::println(stderr, "refused ({}): {}", code,
                 base::printable(answer.error()["message"].text_or("")));
    return code == mcp::denied_code || code == mcp::killed_code ? refused : wrong;
  }
  const json::Value result = answer.result();
  const json::Value content = result["content"];
  if (raw || !content.is_array()) {
    std::println("{}", json::to_string(result));
  } else {
    for (const json::Value block : content.elements()) {
      if (const auto text = block["text"].string()) {
        for (std::string_view rest = *text;
             !rest.empty();) {  // line by line, so that nothing drives the terminal
          const std::size_t end = rest.find('\n');
          std::println("{}", base::printable(rest.substr(0, end)));
          rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        }
      } else {
        std::println("{}", json::to_string(block));
      }
    }
  }
  return result["isError"].boolean() == true ? wrong : done;
}

Task<int> talk(client::Client& client, const Arguments& given, const std::string& method,
               const std::string& params) {
  const auto opened = co_await client.open();
  if (!opened) co_return complain(given.url, opened.error());
  if (given.verbose && !client.tls_group().empty())
    std::println(stderr, "key exchange: {}", client.tls_group());
  int outcome = done;
  for (int i = 0; i < given.repeat && outcome == done; ++i) {
    const auto answer = co_await client.request(method, params);
    if (!answer) {
      outcome = complain(given.url, answer.error());
    } else if (i + 1 < given.repeat && answer->result().exists() &&
               answer->result()["isError"].boolean() != true) {
      continue;  // only the last answer is shown
    } else {
      outcome = show(*answer, given.raw);
    }
  }
  co_await client.close();
  co_return outcome;
}

int call(const Arguments& given) {
  auto endpoint = endpoint_of(given);
  if (!endpoint) return complain("call", endpoint.error());
  client::Options options = *std::move(endpoint);
  options.era = given.modern ? mcp::Era::modern : mcp::Era::legacy;
  std::string method = given.method;
  std::string params = given.params.empty() ? "{}" : given.params;
  if (method.empty() && given.tool.empty()) {
    method = "tools/list";
  } else if (method.empty()) {
    method = "tools/call";
    auto arguments = given.json.empty() ? tool_arguments(given.values) : given.json;
    if (!arguments) return complain("arguments", arguments.error());
    params.clear();
    json::Writer(params)
        .begin_object()
        .member("name", given.tool)
        .key("arguments")
        .raw(*arguments)
        .end_object();
  }
  const base::SystemClock clock;
  net::Loop loop(0, clock);
  auto client = client::Client::make(loop, std::move(options));
  if (!client) return complain(given.url, client.error());
  return client::run_alone(loop, talk(**client, given, method, params));
}

}  // namespace

void add_call(CLI::App& parser, Chosen& chosen) {
  CLI::App* const command =
      parser.add_subcommand("call", "Call a tool (without a tool: list the tools)");
  auto given = std::make_shared<Arguments>();
  add_endpoint(*command, *given);
  command->add_option("tool", given->tool, "The tool");
  command->add_option("arguments", given->values, "name=text or name:=json, as many as needed");
  command->add_option("--json", given->json, "All arguments as one JSON object");
  command->add_option("--method", given->method, "Another method, for example resources/read");
  command->add_option("--params", given->params, "Its parameters as a JSON object");
  command
      ->add_option("--repeat", given->repeat,
                   "Make the call so many times in one session; the last answer is shown")
      ->check(CLI::Range(1, 100000));
  command->add_flag("--modern", given->modern, "Speak revision 2026-07-28 (no session)");
  command->add_flag("--raw", given->raw, "Print the result as JSON");
  command->add_flag("-v,--verbose", given->verbose, "Say which key exchange was negotiated");
  command->callback([&chosen, given] { chosen = [given] { return call(*given); }; });
}

}  // namespace latticegate::app
