#include <algorithm>
#include <format>
#include <string>
#include <utility>

#include "base/log.h"
#include "config/detail/parts.h"
#include "identity/caller.h"

namespace latticegate::config::detail {
namespace {

constexpr std::size_t most_arguments = 256;

bool is_local(const Http& target) {
  return target.host == "localhost" || identity::is_loopback(target.host);
}

// "syslog+tls://host:port": the rest has the form of a URL.
base::Result<Http> parse_target(std::string_view text, std::string_view with_tls,
                                std::string_view plain) {
  if (!text.starts_with(with_tls) && !text.starts_with(plain))
    return base::fail(base::Code::invalid,
                      std::format("\"{}\" begins with neither {} nor {}", text, with_tls, plain));
  const bool tls = text.starts_with(with_tls);
  auto target = parse_url(std::format("{}{}", tls ? "https://" : "http://",
                                      text.substr((tls ? with_tls : plain).size())));
  if (!target) return target;
  if (target->target != "/" || target->port == (target->tls ? 443 : 80))
    return base::fail(base::Code::invalid,
                      std::format("\"{}\" is not {}HOST:PORT", text, tls ? with_tls : plain));
  target->url = text;
  return target;
}

base::Result<Http> parse_syslog(std::string_view text) {
  return parse_target(text, "syslog+tls://", "syslog+tcp://");
}
base::Result<Http> parse_smtp(std::string_view text) {
  return parse_target(text, "smtps://", "smtp://");
}

// No quoting, no comments: what stands here goes into SMTP commands and heads as it is.
bool is_mail_address(std::string_view text) {
  constexpr std::size_t longest = 254;
  constexpr std::string_view others = "!#$%&'*+-/=?^_`{|}~.@";
  const std::size_t at = text.find('@');
  return text.size() <= longest && at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos && std::ranges::all_of(text, [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  others.contains(c);
         });
}

void read_smtp(Section& section, AlertChannel& into) {
  constexpr std::size_t most_receivers = 20;
  const bool is_smtp = into.way == AlertChannel::Way::smtp;
  for (const std::string_view key : {"from", "to", "user", "password"})
    if (const yaml::Node* node = section.find(key); node != nullptr && !is_smtp)
      section.findings().problem(*node, std::format("{}: only smtp has it", key));
  section.text("from", into.from);
  section.texts("to", into.to);
  section.text("user", into.user);
  if (const yaml::Node* node = section.find("password")) {
    auto secret = read_secret(section.findings(), *node);
    if (!secret)
      section.findings().problem(secret.error());
    else
      into.password = *std::move(secret);
  }
  if (!is_smtp) return;
  const yaml::Node& node = *section.find("smtp");
  if (into.to.empty() || into.to.size() > most_receivers ||
      !std::ranges::all_of(into.to, is_mail_address) || !is_mail_address(into.from))
    section.findings().problem(node, "smtp needs `from` and `to`: mail addresses, at most 20");
  if (into.user.empty() != !into.password)
    section.findings().problem(node, "smtp: user and password belong together");
}

void read_target(Section& section, std::string_view key, AlertChannel& into) {
  const yaml::Node& node = *section.find(key);
  std::string text;
  if (!section.text(key, text)) return;
  auto target = into.way == AlertChannel::Way::webhook  ? parse_url(text)
                : into.way == AlertChannel::Way::syslog ? parse_syslog(text)
                                                        : parse_smtp(text);
  if (!target) {
    section.findings().problem(node, std::format("{}: {}", key, target.error().detail));
    return;
  }
  into.target = *std::move(target);
  into.starts_tls =
      into.way == AlertChannel::Way::smtp && !into.target.tls && !is_local(into.target);
  if (into.target.tls || is_local(into.target) || into.starts_tls) return;
  if (into.way == AlertChannel::Way::webhook)
    section.findings().problem(
        node, "webhook: plain HTTP leaves this machine; alerts tell what others could use");
  else
    section.findings().warning(node, "syslog without TLS: alerts can be read on the way");
}

void read_channel(Section section, const yaml::Entry& at, AlertChannel& into) {
  struct Word {
    std::string_view key;
    AlertChannel::Way way{};
  };
  unsigned given = 0;
  for (const auto& [key, way] :
       {Word{"webhook", AlertChannel::Way::webhook}, Word{"syslog", AlertChannel::Way::syslog},
        Word{"smtp", AlertChannel::Way::smtp}}) {
    if (section.find(key) == nullptr) continue;
    ++given;
    into.way = way;
    read_target(section, key, into);
  }
  if (section.find("command") != nullptr) {
    ++given;
    into.way = AlertChannel::Way::command;
    section.texts("command", into.command);
    if (into.command.empty() || into.command.size() > most_arguments)
      section.findings().problem(*section.find("command"), "the command has no program");
  }
  if (given != 1)
    section.findings().problem(
        at, std::format("{} needs one of webhook, syslog, smtp and command", section.what()));
  read_smtp(section, into);
  section.path("ca", into.target.ca, Kind::file);
  if (const yaml::Node* node = section.find("key")) {
    if (into.way != AlertChannel::Way::webhook)
      section.findings().problem(*node, "key: only a webhook is signed");
    auto secret = read_secret(section.findings(), *node);
    if (!secret)
      section.findings().problem(secret.error());
    else
      into.key = *std::move(secret);
  }
  section.words("on", into.events);
  section.text("approver", into.approver);
  section.duration("timeout", into.timeout);
}

}  // namespace

void read_alerts(Section section, Alerts& into) {
  for (const yaml::Entry& entry : section.names("channels")) {
    if (!is_server_name(entry.key)) {
      section.findings().problem(
          entry, std::format("\"{}\" is no name for a channel: small letters, digits, - and _, at "
                             "most 64",
                             base::printable(entry.key)));
      continue;
    }
    AlertChannel& channel = into.channels[entry.key];
    channel.name = entry.key;
    read_channel(
        Section(section.findings(), &entry.value, "alerts.channels.*", "channel " + entry.key),
        entry, channel);
  }
  section.duration("repeat", into.repeat);
  section.number("per_minute", into.per_minute);
}

void read_objectives(Section& top, Universe& universe, std::vector<behaviour::Objective>& into) {
  for (const yaml::Entry& entry : top.names("objectives")) {
    if (!is_server_name(entry.key)) {
      top.findings().problem(
          entry, std::format("\"{}\" is no name for an objective: small letters, digits, - and _, "
                             "at most 64",
                             base::printable(entry.key)));
      continue;
    }
    behaviour::Objective objective;
    objective.name = entry.key;
    Section section(top.findings(), &entry.value, "objectives.*", "objective " + entry.key);
    section.word("of", objective.of);
    section.number("above", objective.above);
    if (section.real("target", objective.target) && objective.target >= 100)
      section.findings().problem(*section.find("target"),
                                 "target: with 100 percent every call counts; say less");
    section.texts("groups", objective.groups);
    universe.groups.refer(section.find("groups"));
    section.number("least", objective.least);
    into.push_back(std::move(objective));
  }
}

}  // namespace latticegate::config::detail
