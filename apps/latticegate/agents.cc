// agents: what is normal for each, and what it did lately that is not.
#include <format>
#include <print>

#include "base/log.h"
#include "commands.h"
#include "management.h"

namespace latticegate::app {
namespace {

void print_agent(json::Value root) {
  const auto text = [](json::Value value) { return base::printable(value.text_or("")); };
  std::println("{}", text(root["agent"]));
  for (const json::Value sentence : root["normal"].elements()) std::println("  {}", text(sentence));
  for (const json::Value tool : root["tools"].elements()) {
    if (tool["calls"].integer().value_or(0) == 0) continue;
    std::println(
        "  With {}: usually at most {} records and {} bytes a call, {} calls a minute, {} records "
        "a "
        "day ({} calls since {}{}).",
        text(tool["tool"]), tool["records"].digits(), tool["bytes"].digits(),
        tool["calls_per_minute"].digits(), tool["records_a_day"].digits(), tool["calls"].digits(),
        text(tool["since"]).substr(0, 10),
        tool["mature"].boolean() == true ? "" : ", still learning");
    std::string given;
    for (const json::Value argument : tool["arguments"].elements())
      given += std::format("{}{}", given.empty() ? "" : "; ", text(argument));
    if (!given.empty()) std::println("    Its arguments: {}.", given);
  }
  if (const json::Value ladder = root["ladder"]; ladder && ladder["rung"].text_or("") != "none")
    std::println("  It may do less since {}: {} (pressure {}).", text(ladder["since"]),
                 text(ladder["rung"]), text(ladder["pressure"]));
  if (root["deviations"].size() == 0) std::println("  Nothing unusual lately.");
  for (const json::Value one : root["deviations"].elements())
    std::println("  {} {} ({}): {}", text(one["at"]), text(one["signal"]), one["score"].digits(),
                 text(one["sentence"]));
}

}  // namespace

void add_agents(CLI::App& parser, Chosen& chosen) {
  auto where = std::make_shared<Where>();
  auto name = std::make_shared<std::string>();
  CLI::App* const agents = with_where(
      parser.add_subcommand("agents", "What is normal for agents, and what was unusual lately"),
      where);
  agents->callback([&chosen, where, agents] {
    if (!agents->get_subcommands().empty()) return;
    chosen = [where] {
      return ask(*where, "GET", "/v1/agents", "", [](json::Value root) {
        for (const json::Value agent : root["agents"].elements())
          std::println("{}", base::printable(agent.text_or("")));
      });
    };
  });
  struct Order {
    const char* word;
    const char* sentence;
  };
  for (const auto& [word, sentence] :
       {Order{"show", "An agent's normal and its last deviations, in sentences"},
        Order{"ratify", "What was seen is its normal: it has learnt enough"},
        Order{"lock", "Besides, nothing new becomes normal any more"},
        Order{"unlock", "It learns again"}, Order{"forget", "It learns anew"},
        Order{"reset", "It may do all again that the ladder took from it"}}) {
    CLI::App* const command = with_where(agents->add_subcommand(word, sentence), where);
    command->add_option("agent", *name, "Its name")->required();
    command->callback([&chosen, where, name, order = std::string(word)] {
      chosen = [where, name, order] {
        return ask(*where, "POST", "/v1/agents", body_of({{"agent", *name}, {"order", order}}),
                   print_agent);
      };
    });
  }
}

}  // namespace latticegate::app
