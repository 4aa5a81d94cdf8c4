#include "management.h"

#include <print>

#include "base/log.h"
#include "client/client.h"
#include "commands.h"
#include "config/files.h"
#include "json/write.h"

namespace latticegate::app {

CLI::App* with_place(CLI::App* command, const std::shared_ptr<Where>& where) {
  command->add_option("-c,--config", where->config, "The gateway's configuration file")
      ->capture_default_str();
  command->add_option("--socket", where->socket,
                      "Its management socket, instead of a configuration");
  return command;
}

CLI::App* with_where(CLI::App* command, const std::shared_ptr<Where>& where) {
  with_place(command, where)->add_flag("--json", where->json, "Print JSON");
  return command;
}

base::Result<std::string> socket_of(const Where& where) {
  if (!where.socket.empty()) return where.socket;
  auto loaded = config::load(where.config);
  if (!loaded) return std::unexpected(std::move(loaded).error());
  return loaded->config->control.socket.string();
}

int ask(const Where& where, std::string_view method, std::string_view path, std::string_view body,
        const std::function<void(json::Value)>& print) {
  const auto socket = socket_of(where);
  if (!socket) return complain("configuration", socket.error());
  const auto answer = client::ask_control(*socket, method, path, body);
  if (!answer) {
    complain("the gateway does not answer on " + *socket, answer.error());
    return unreachable;
  }
  const auto document = json::Document::parse(
      answer->body, {.size = {std::uint64_t{256} * 1024 * 1024}, .depth = 64, .nodes = 10'000'000});
  if (!document) return complain("answer", document.error());
  if (answer->status != 200) {
    std::println(stderr, "latticegate: {}", document->root()["error"].text_or("refused"));
    return wrong;
  }
  if (where.json)
    std::println("{}", json::to_string(document->root()));
  else
    print(document->root());
  return done;
}

std::string body_of(std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const auto& [key, value] : members)
    if (!value.empty()) writer.member(key, value);
  writer.end_object();
  return out;
}

}  // namespace latticegate::app
