// status, conversations, tools, reload: the management socket of a running gateway.
#include <print>

#include "base/log.h"
#include "commands.h"
#include "json/write.h"
#include "management.h"

namespace latticegate::app {
namespace {

void print_status(json::Value root) {
  for (const json::Member member : root["counters"].members())
    std::println("{:16} {}", member.key, member.value.digits());
  std::println("{:16} {}", "sessions", root["sessions"].digits());
  std::println("{:16} {} ({})", "audit records", root["audit"]["records"].digits(),
               root["audit"]["working"].boolean() == true
                   ? "working"
                   : root["audit"]["trouble"].text_or("not working"));
  if (const auto aside = root["audit"]["aside"].integer(); aside.value_or(0) > 0)
    std::println("{:16} {} records wait for the log", "audit aside", *aside);
  std::println("{:16} {}", "audit signed", root["audit"]["signed"].digits());
  if (const auto trouble = root["audit"]["pack_trouble"].text_or(""); !trouble.empty())
    std::println("log files stay as large as they are: {}", base::printable(trouble));
  if (const auto trouble = root["audit"]["seal_trouble"].text_or(""); !trouble.empty())
    std::println("{:16} {}", "", base::printable(trouble));
  std::println("{:16} epoch {}, {} policies, {}", "policy", root["policy"]["epoch"].digits(),
               root["policy"]["policies"].digits(),
               root["policy"]["hash"].text_or("").substr(0, 12));
  if (const json::Value shadow = root["shadow"]; shadow["working"].boolean() == true)
    std::println("{:16} {} policies, {}: of {} calls it would refuse {} and allow {} more",
                 "policy shadow", shadow["policies"].digits(),
                 shadow["hash"].text_or("").substr(0, 12), shadow["judged"].digits(),
                 shadow["would_refuse"].digits(), shadow["would_allow"].digits());
  else if (shadow)
    std::println("{:16} {}", "policy shadow", shadow["trouble"].text_or("not working"));
  for (const json::Value server : root["unavailable"].elements())
    std::println("{:16} {}", "unavailable", server.text_or(""));
}

void print_conversations(json::Value root) {
  std::println("{:15} {:24} {:6} {}", "CONVERSATION", "AGENT", "OPEN", "STATE");
  for (const json::Value c : root["conversations"].elements()) {
    const json::Value killed = c["killed"];
    std::println("{:15} {:24} {:6} {}", c["conversation"].text_or(""), c["agent"].text_or(""),
                 c["open"].digits(),
                 killed.exists()
                     ? std::format("killed {} by {}: {}", killed["at"].text_or(""),
                                   killed["by"].text_or(""), killed["reason"].text_or(""))
                     : std::string("alive"));
  }
}

void print_tools(json::Value root) {
  std::println("{:16} {:32} {:10} {}", "SERVER", "TOOL", "STATE", "PIN");
  for (const json::Value t : root["tools"].elements()) {
    const std::string_view name = t["kind"].text_or("") == "instructions"
                                      ? std::string_view("(instructions)")
                                      : t["name"].text_or("");
    std::println("{:16} {:32} {:10} {}", t["server"].text_or(""), name, t["state"].text_or(""),
                 t["hash"].text_or("").substr(0, 12));
    for (const json::Value line : t["diff"].elements()) std::println("    {}", line.text_or(""));
  }
}

}  // namespace

void add_operate(CLI::App& parser, Chosen& chosen) {
  auto where = std::make_shared<Where>();
  const auto common = [where](CLI::App* command) { return with_where(command, where); };
  CLI::App* const status =
      common(parser.add_subcommand("status", "Counters and state of the running gateway"));
  status->callback([&chosen, where] {
    chosen = [where] { return ask(*where, "GET", "/v1/status", "", print_status); };
  });
  CLI::App* const conversations =
      common(parser.add_subcommand("conversations", "Who talks, and what was killed"));
  conversations->callback([&chosen, where] {
    chosen = [where] { return ask(*where, "GET", "/v1/conversations", "", print_conversations); };
  });

  CLI::App* const tools = common(parser.add_subcommand(
      "tools", "Tools and their pins; what is held back, with the difference"));
  tools->callback([&chosen, where, tools] {
    if (tools->get_subcommands().empty())
      chosen = [where] { return ask(*where, "GET", "/v1/tools", "", print_tools); };
  });
  auto server = std::make_shared<std::string>();
  auto tool = std::make_shared<std::string>();
  auto hash = std::make_shared<std::string>();
  CLI::App* const approve =
      tools->add_subcommand("approve", "Accept the present form of a tool that is held back");
  approve->add_option("server", *server, "The server")->required();
  approve->add_option("tool", *tool, "The tool (without it: the server's instructions)");
  approve->add_option("--hash", *hash, "Only if the waiting form has this hash");
  common(approve);
  approve->callback([&chosen, where, server, tool, hash] {
    chosen = [where, server, tool, hash] {
      return ask(*where, "POST", "/v1/approve",
                 body_of({{"server", *server}, {"tool", *tool}, {"hash", *hash}}),
                 [](json::Value root) {
                   std::println("approved {}", root["approved"].text_or("").substr(0, 12));
                 });
    };
  });
  CLI::App* const reload = common(parser.add_subcommand(
      "reload",
      "Read configuration and policies again (like SIGHUP), and say what is wrong with them"));
  reload->callback([&chosen, where] {
    chosen = [where] {
      return ask(*where, "POST", "/v1/reload", "{}", [](json::Value) { std::println("reloaded"); });
    };
  });
}

}  // namespace latticegate::app
