// kill, quarantine, stop-all, release: what is stopped at once, and what may go on again.
#include <chrono>
#include <print>
#include <thread>

#include "base/log.h"
#include "commands.h"
#include "management.h"
#include "yaml/node.h"

namespace latticegate::app {
namespace {

struct Order {
  std::string name;  // of a conversation, or of what a subcommand says
  std::string agent;
  std::string user;
  std::string server;
  std::string tool;
  std::string reason;
  std::string by;
  std::string time;
  bool all = false;
  bool wait = false;
};

constexpr std::chrono::milliseconds glance(200);

std::string_view truth(bool value) { return value ? "true" : ""; }

void print_stopped(json::Value root, std::string_view word) {
  std::println("{} {}", word, root[word].digits());
  if (root["closed"].boolean() == false)
    std::println(stderr, "latticegate: something of it is still open after 10 s");
}

// "30m" as seconds; empty for no end.
base::Result<std::string> seconds_of(const std::string& text) {
  if (text.empty()) return std::string();
  const auto time = yaml::Node::scalar(text, "--for").as_duration();
  if (!time) return std::unexpected(time.error());
  return std::format("{}", std::chrono::duration_cast<std::chrono::seconds>(*time).count());
}

int kill(const Where& where, const Order& order) {
  return ask(where, "POST", "/v1/kill",
             body_of({{"conversation", order.name},
                      {"agent", order.agent},
                      {"reason", order.reason},
                      {"wait", truth(order.wait)}}),
             [](json::Value root) { print_stopped(root, "killed"); });
}

int quarantine(const Where& where, const Order& order, std::string_view kind) {
  const auto seconds = seconds_of(order.time);
  if (!seconds) return complain("--for", seconds.error());
  return ask(where, "POST", "/v1/quarantine",
             body_of({{kind, kind == "all" ? std::string_view("true") : order.name},
                      {"reason", order.reason},
                      {"by", order.by},
                      {"seconds", *seconds},
                      {"wait", truth(order.wait)}}),
             [](json::Value root) { print_stopped(root, "quarantined"); });
}

// Whether any of what a release is for is still stopped; looks without printing.
int look(const Where& where, const Order& order, bool& stopped) {
  Where quiet = where;
  quiet.json = false;
  stopped = false;
  const int code = ask(quiet, "GET", "/v1/quarantines", "", [&](json::Value root) {
    for (const json::Value one : root["quarantines"].elements()) {
      const std::string_view kind = one["kind"].text_or("");
      const std::string_view name = one["name"].text_or("");
      const std::string_view wanted = kind == "agent"    ? order.agent
                                      : kind == "user"   ? order.user
                                      : kind == "server" ? order.server
                                                         : order.tool;
      stopped = stopped || (kind == "all" ? order.all : name == wanted);
    }
  });
  if (code != done || order.name.empty()) return code;
  return ask(quiet, "GET", "/v1/conversations", "", [&](json::Value root) {
    for (const json::Value one : root["conversations"].elements())
      stopped = stopped || (one["conversation"].text_or("") == order.name && one["killed"].exists());
  });
}

int release_once(const Where& where, const Order& order) {
  return ask(where, "POST", "/v1/release",
             body_of({{"conversation", order.name},
                      {"agent", order.agent},
                      {"user", order.user},
                      {"server", order.server},
                      {"tool", order.tool},
                      {"all", truth(order.all)},
                      {"by", order.by}}),
             [](json::Value root) {
               if (root["waiting"].integer().value_or(0) > 0)
                 std::println("{} wait for a second person", root["waiting"].digits());
               else
                 std::println("released {}", root["released"].digits());
             });
}

int release(const Where& where, const Order& order) {
  if (const int code = release_once(where, order); code != done || !order.wait) return code;
  for (bool stopped = true;; std::this_thread::sleep_for(glance)) {
    if (const int code = look(where, order, stopped); code != done) return code;
    if (!stopped) return done;
  }
}

int list(const Where& where) {
  return ask(where, "GET", "/v1/quarantines", "", [](json::Value root) {
    if (root["quarantines"].size() == 0) std::println("nothing is in quarantine");
    for (const json::Value one : root["quarantines"].elements()) {
      const auto text = [&](std::string_view key) { return base::printable(one[key].text_or("")); };
      std::println("{:7} {:32} since {}{}, by {}: {}", text("kind"), text("name"), text("since"),
                   one["until"] ? " until " + text("until") : std::string(), text("by"),
                   text("reason"));
    }
  });
}

void add_order_options(CLI::App* command, const std::shared_ptr<Order>& order) {
  command->add_option("--for", order->time, "30m, 2h, 7d: it ends by itself; else by a release");
  command->add_option("--reason", order->reason, "Why, for the record");
  command->add_option("--by", order->by, "Who you are, for the record");
  command->add_flag("--wait", order->wait, "Until nothing of it is open any more (10 s)");
}

}  // namespace

void add_response(CLI::App& parser, Chosen& chosen) {
  auto where = std::make_shared<Where>();
  auto order = std::make_shared<Order>();
  CLI::App* const kill_command = with_where(
      parser.add_subcommand("kill", "Stop a conversation at once; it stays refused until released"),
      where);
  kill_command->add_option("conversation", order->name, "Its id, c-...");
  kill_command->add_option("--agent", order->agent, "All conversations of an agent");
  kill_command->add_option("--reason", order->reason, "Why, for the record");
  kill_command->add_flag("--wait", order->wait, "Until nothing of it is open any more (10 s)");
  kill_command->callback(
      [&chosen, where, order] { chosen = [where, order] { return kill(*where, *order); }; });

  CLI::App* const quarantine_command = with_where(
      parser.add_subcommand("quarantine",
                            "Stop an agent, a user, a server or a tool; alone: what is stopped"),
      where);
  quarantine_command->callback([&chosen, where, quarantine_command] {
    if (quarantine_command->get_subcommands().empty()) chosen = [where] { return list(*where); };
  });
  struct Kind {
    const char* word;
    const char* sentence;
    const char* name;
  };
  for (const auto& [word, sentence, name] :
       {Kind{"agent", "All that it does, for whomever", "Its name"},
        Kind{"user", "All that agents do for a person", "The person, as agents name them"},
        Kind{"server", "Nobody reaches it; its sessions and processes end", "Its name"},
        Kind{"tool", "Nobody calls it", "SERVER/TOOL"}}) {
    CLI::App* const command = with_where(quarantine_command->add_subcommand(word, sentence), where);
    command->add_option("name", order->name, name)->required();
    add_order_options(command, order);
    command->callback([&chosen, where, order, kind = std::string(word)] {
      chosen = [where, order, kind] { return quarantine(*where, *order, kind); };
    });
  }
  CLI::App* const stop_all = with_where(
      parser.add_subcommand("stop-all", "Refuse every call of everybody, until `release --all`"),
      where);
  add_order_options(stop_all, order);
  stop_all->callback([&chosen, where, order] {
    chosen = [where, order] { return quarantine(*where, *order, "all"); };
  });

  CLI::App* const release_command = with_where(
      parser.add_subcommand("release", "Let go on what was killed, quarantined or stopped"), where);
  release_command->add_option("--by", order->by,
                              "Who you are; with control.four_eyes two people have to");
  release_command->add_option("conversation", order->name, "Its id, c-...");
  release_command->add_option("--agent", order->agent, "All conversations of an agent");
  release_command->add_option("--user", order->user, "A person");
  release_command->add_option("--server", order->server, "A server");
  release_command->add_option("--tool", order->tool, "SERVER/TOOL");
  release_command->add_flag("--all", order->all, "All calls, after stop-all");
  release_command->add_flag("--wait", order->wait, "Until the second person released, too");
  release_command->callback(
      [&chosen, where, order] { chosen = [where, order] { return release(*where, *order); }; });
}

}  // namespace latticegate::app
