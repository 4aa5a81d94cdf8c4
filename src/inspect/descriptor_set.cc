#include "inspect/descriptor_set.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <format>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "inspect/detail/looks.h"
#include "inspect/words.h"

namespace latticegate::inspect {
namespace {

constexpr std::size_t shortest_near = 6;    // names below are near one another by nature
constexpr std::size_t shortest_single = 7;  // of a name of one part, to count as a reference
constexpr std::size_t longest_text = 64 * 1024;

struct Tool {
  std::string_view server;
  std::string name;
  std::string look;  // its skeleton
  json::Value value;
  std::string pointer;
};

// Tails that make a name look like a better form of another.
constexpr auto boasts = std::to_array<std::string_view>(
    {"pro", "plus", "official", "secure", "safe", "fast", "real", "enhanced", "better"});
constexpr auto versions =
    std::to_array<std::string_view>({"new", "v1", "v2", "v3", "x", "my", "updated", "alt", "2"});

// Damerau-Levenshtein (adjacent swaps) up to 2; more is 3.
std::size_t distance(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > 2) return 3;
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    std::size_t least = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] =
          std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
      least = std::min(least, now[j]);
    }
    if (least > 2) return 3;
    std::swap(before, last);
    std::swap(last, now);
  }
  return std::min<std::size_t>(last[b.size()], 3);
}

enum class Tail : std::uint8_t { none, version, boast };

Tail tail_of(const std::string& shorter, const std::string& longer) {
  if (longer.size() <= shorter.size()) return Tail::none;
  const auto kind = [](std::string_view rest) {
    if (std::ranges::contains(boasts, rest)) return Tail::boast;
    return std::ranges::contains(versions, rest) ? Tail::version : Tail::none;
  };
  if (longer.starts_with(shorter)) return kind(std::string_view(longer).substr(shorter.size()));
  if (!longer.ends_with(shorter)) return Tail::none;
  return kind(std::string_view(longer).substr(0, longer.size() - shorter.size()));
}

// Case and separators folded, and nothing else: conventions of people, not disguises.
std::string plain_form(std::string_view name) {
  std::string out;
  for (const char c : name)
    if (!std::string_view("_-. ").contains(c))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// A name that nobody writes by accident: several parts, or long.
bool is_distinctive(std::string_view name) {
  return name.find_first_of("_-.") != std::string_view::npos ||
         std::ranges::any_of(name.substr(1), [](char c) { return c >= 'A' && c <= 'Z'; }) ||
         name.size() >= shortest_single + 4;
}

// How much of a name is written to look like something else: letters of other scripts, digits.
std::size_t disguise(std::string_view name) {
  constexpr std::size_t foreign = 100;
  std::size_t sum = 0;
  for (const char c : name)
    sum += static_cast<unsigned char>(c) >= 0x80   ? foreign
           : std::string_view("0135|").contains(c) ? 1U
                                                   : 0U;
  return sum;
}

class Set {
 public:
  // `learnt`: only what concerns tools of this server; empty: everything.
  explicit Set(json::Value servers, std::string_view learnt = {}) : learnt_(learnt) {
    if (servers.is_array()) {
      add_server({}, servers, "");
    } else {
      for (const json::Member member : servers.members()) {
        const json::Value list = member.value.is_object() ? member.value["tools"] : member.value;
        add_server(member.key, list,
                   "/" + std::string(member.key) + (member.value.is_object() ? "/tools" : ""));
      }
    }
  }

  Findings judge() && {
    look();
    for (const Finding& finding : findings_.items)
      findings_.scores.rules =
          std::max(findings_.scores.rules, finding.severity >= Severity::high ? 3.0F : 2.0F);
    findings_.scores.all = findings_.scores.rules;
    return std::move(findings_);
  }

  std::vector<ToolFinding> told() && {
    look();
    std::vector<ToolFinding> out;
    for (std::size_t i = 0; i < owners_.size(); ++i)
      out.push_back(
          {std::string(owners_[i]->server), owners_[i]->name, std::move(findings_.items[i])});
    return out;
  }

 private:
  void look() {
    names();
    for (const Tool& tool : tools_) {
      references(tool);
      if (!concerns(tool)) continue;
      parameters(tool);
      annotations(tool);
    }
  }
  bool concerns(const Tool& tool) const { return learnt_.empty() || tool.server == learnt_; }

  void add_server(std::string_view server, json::Value list, const std::string& pointer) {
    std::size_t index = 0;
    for (const json::Value tool : list.elements()) {
      const std::string at = std::format("{}/{}", pointer, index++);
      const std::string_view name = tool["name"].text_or("");
      const std::string_view told = tool["server"].text_or(server);
      if (tool["tools"].is_array()) {
        add_server(told.empty() ? name : told, tool["tools"], at + "/tools");
        continue;
      }
      if (name.empty()) continue;
      if (tools_.size() == most_tools) {
        ++findings_.skipped;
        continue;
      }
      tools_.push_back({told, std::string(name), skeleton(name), tool, at});
    }
  }

  void add(const Tool& tool, std::string_view rule, Severity severity, Confidence confidence,
           std::string pointer, json::Value at, std::vector<std::string> labels,
           std::string excerpt) {
    if (findings_.items.size() >= 256) {
      ++findings_.dropped;
      return;
    }
    Finding finding;
    finding.rule = rule;
    finding.kind = FindingKind::instruction;
    finding.severity = severity;
    finding.confidence = confidence;
    finding.pointer = tool.pointer + std::move(pointer);
    finding.at = at;
    finding.end = at.text_or("").size();
    finding.labels = std::move(labels);
    finding.excerpt = base::printable(excerpt);
    findings_.items.push_back(std::move(finding));
    owners_.push_back(&tool);
  }

  // Equal names of two servers are usual and are told apart by their servers; equal looks of
  // unequal names are not.
  void names() {
    std::map<std::string_view, std::vector<const Tool*>> by_look;
    for (const Tool& tool : tools_) by_look[tool.look].push_back(&tool);
    for (const auto& [look, same] : by_look)
      for (std::size_t i = 1; i < same.size(); ++i) {
        // The one that is written to look like the other is the imitation, else the later one.
        const bool turned = disguise(same.front()->name) > disguise(same[i]->name);
        const Tool& one = turned ? *same.front() : *same[i];
        const Tool& first = turned ? *same[i] : *same.front();
        if (!concerns(one) && !concerns(first)) continue;
        const bool equal = one.name == first.name;
        if (equal && one.server == first.server) {
          add(one, "set-name-collision", Severity::high, Confidence::verified, "/name",
              one.value["name"], {"SAFE-T1004"}, std::format("{} twice", one.name));
        } else if (equal) {
          add(one, "set-name-collision", Severity::low, Confidence::verified, "/name",
              one.value["name"], {"SAFE-T1004"},
              std::format("{}: {} has it too", one.name, first.server));
        } else {
          const bool ascii = std::ranges::all_of(
              one.name + first.name, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
          const bool natural = plain_form(one.name) == plain_form(first.name);
          add(one, "set-name-look-alike",
              !ascii    ? Severity::critical
              : natural ? Severity::medium
                        : Severity::high,
              Confidence::verified, "/name", one.value["name"], {"SAFE-T1004"},
              std::format("{} looks like {}", one.name, first.name));
        }
      }
    // Names of near length only, in the order of their lengths.
    std::vector<const Tool*> ordered;
    for (const auto& [look, same] : by_look) ordered.push_back(same.front());
    std::ranges::stable_sort(ordered, {}, [](const Tool* tool) { return tool->look.size(); });
    std::uint64_t pairs = 0;
    for (std::size_t i = 0; i < ordered.size(); ++i)
      for (std::size_t j = i + 1; j < ordered.size(); ++j) {
        const Tool& a = *ordered[i];
        const Tool& b = *ordered[j];
        if (b.look.size() > a.look.size() + 8 || ++pairs > 2'000'000) break;
        if (a.server == b.server || a.look.size() < shortest_near) continue;
        if (!concerns(a) && !concerns(b)) continue;
        const Tail kind = tail_of(a.look, b.look);
        const bool tail = kind != Tail::none;
        if (!tail && distance(a.look, b.look) > (a.look.size() < 10 ? 1U : 2U)) continue;
        // The later one of the list, or the one with the tail, is the imitation.
        const Tool& late = tail || &b > &a ? b : a;
        const Tool& early = &late == &b ? a : b;
        add(late, "set-name-look-alike", kind == Tail::boast ? Severity::high : Severity::medium,
            tail ? Confidence::likely : Confidence::possible, "/name", late.value["name"],
            {"SAFE-T1004"},
            std::format("{} is near {} of {}", late.name, early.name, early.server));
      }
  }

  static void texts(json::Value value, std::string pointer,
                    std::vector<std::pair<std::string, json::Value>>& out) {
    if (value.is_string()) out.emplace_back(pointer, value);
    std::size_t index = 0;
    for (const json::Value element : value.elements())
      texts(element, std::format("{}/{}", pointer, index++), out);
    for (const json::Member member : value.members())
      texts(member.value, std::format("{}/{}", pointer, member.key), out);
  }

  // The names of other servers' tools, and other servers' names, as whole words.
  void references(const Tool& tool) {
    if (names_.empty() && !tools_.empty())
      for (const Tool& other : tools_)
        if (is_distinctive(other.name)) {
          names_[fold(other.name)].insert(other.server);
          // As clients see it at a door.
          names_[fold(std::format("{}__{}", other.server, other.name))].insert(other.server);
        }
    std::vector<std::pair<std::string, json::Value>> strings;
    texts(tool.value, "", strings);
    for (const auto& [pointer, value] : strings) {
      if (pointer == "/name") continue;
      const std::string_view text = value.text_or("").substr(0, longest_text);
      for (std::size_t at = 0; at < text.size();) {
        const auto is_part = [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
        };
        if (!is_part(text[at])) {
          ++at;
          continue;
        }
        std::size_t end = at;
        while (end < text.size() && is_part(text[end])) ++end;
        const std::string_view word = text.substr(at, end - at);
        at = end;
        const auto found = names_.find(fold(word));
        if (word.size() < 4 || found == names_.end() || found->second.contains(tool.server) ||
            fold(word) == fold(tool.name))
          continue;
        if (!concerns(tool) && !found->second.contains(learnt_)) continue;
        add(tool, "set-foreign-reference", Severity::high, Confidence::likely, pointer, value,
            {"SAFE-T1008", "SAFE-T1301"},
            std::format("names {} of {}", word, *found->second.begin()));
        break;
      }
    }
  }
  static std::string fold(std::string_view name) {
    std::string out;
    for (const char c : name)
      out += c == '-' || c == '.' ? '_'
                                  : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
  }

  // Parameters for what the model knows and a tool does not need.
  void parameters(const Tool& tool) {
    static constexpr auto asked = std::to_array<std::string_view>({"conversation",
                                                                   "conversation_history",
                                                                   "chat_history",
                                                                   "history",
                                                                   "messages",
                                                                   "system_prompt",
                                                                   "instructions",
                                                                   "reasoning",
                                                                   "thoughts",
                                                                   "chain_of_thought",
                                                                   "tools",
                                                                   "available_tools",
                                                                   "tool_list",
                                                                   "env",
                                                                   "environment",
                                                                   "environment_variables",
                                                                   "api_key",
                                                                   "apikey",
                                                                   "password",
                                                                   "secret",
                                                                   "token",
                                                                   "access_token",
                                                                   "credentials",
                                                                   "private_key",
                                                                   "ssh_key",
                                                                   "sidenote",
                                                                   "llm",
                                                                   "model_name",
                                                                   "full_context",
                                                                   "user_context",
                                                                   "session_data",
                                                                   "cookies",
                                                                   "previous_results"});
    // What a model was told and said as a whole; the others have honest uses, too.
    static constexpr auto whole = std::to_array<std::string_view>(
        {"conversation_history", "chat_history", "system_prompt", "chain_of_thought",
         "available_tools", "tool_list", "full_context", "previous_results",
         "environment_variables", "sidenote"});
    const json::Value properties = tool.value["inputSchema"]["properties"];
    for (const json::Member member : properties.members()) {
      const std::string name = fold(member.key);
      if (std::ranges::contains(asked, name))
        add(tool, "set-parameter",
            std::ranges::contains(whole, name) ? Severity::high : Severity::medium,
            Confidence::possible, std::format("/inputSchema/properties/{}", member.key),
            member.value, {"MCP10", "SAFE-T1501"}, std::format("asks for {}", member.key));
      const bool sentence = member.key.size() > 64 || std::ranges::count(member.key, ' ') > 2;
      if (sentence)
        add(tool, "set-parameter", Severity::high, Confidence::likely, "/inputSchema/properties",
            properties, {"SAFE-T1501"}, "a name that reads like a sentence");
    }
  }

  // Says that it only reads, and that it writes.
  void annotations(const Tool& tool) {
    if (tool.value["annotations"]["readOnlyHint"].boolean() != true &&
        tool.value["annotations"]["destructiveHint"].boolean() != false)
      return;
    static constexpr auto verbs = std::to_array<std::string_view>(
        {"delete",    "deletes",    "remove",    "removes",   "drop",     "drops",
         "overwrite", "overwrites", "erase",     "erases",    "wipe",     "wipes",
         "purge",     "purges",     "destroy",   "destroys",  "transfer", "transfers",
         "revoke",    "revokes",    "terminate", "terminates"});
    const bool read_only = tool.value["annotations"]["readOnlyHint"].boolean() == true;
    static constexpr auto writes = std::to_array<std::string_view>(
        {"create", "creates", "send", "sends", "update", "updates", "write", "writes", "pay",
         "pays", "execute", "executes", "post", "posts", "upload", "uploads", "insert", "inserts"});
    const std::string_view description = tool.value["description"].text_or("");
    const auto first = [](std::string_view text) {
      std::size_t end = 0;
      while (end < text.size() && std::isalpha(static_cast<unsigned char>(text[end])) != 0) ++end;
      return fold(text.substr(0, end));
    };
    for (const std::string& verb : {first(description), first(tool.name)})
      if (std::ranges::contains(verbs, verb) ||
          (read_only && std::ranges::contains(writes, verb))) {
        add(tool, "set-annotation",
            std::ranges::contains(verbs, verb) ? Severity::high : Severity::medium,
            Confidence::likely, "/annotations", tool.value["annotations"], {"SAFE-T1406"},
            std::format("says {}, and that it is {}", verb,
                        read_only ? "read-only" : "not destructive"));
        return;
      }
  }

  std::string_view learnt_;
  std::vector<Tool> tools_;
  std::vector<const Tool*> owners_;  // of the findings
  std::map<std::string, std::set<std::string_view>> names_;
  Findings findings_;
};

}  // namespace

std::string skeleton(std::string_view name) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const char c = name[at];
    if (static_cast<unsigned char>(c) >= 0x80) {
      if (const Folded folded = fold_look(name.substr(at)); folded.bytes > 0) {
        out += folded.letter == 'i' ? 'l' : folded.letter;
        at += folded.bytes;
      } else {
        out += c;
        ++at;
      }
      continue;
    }
    ++at;
    switch (c) {
      case '_':
      case '-':
      case '.':
      case ' ': break;
      case '0': out += 'o'; break;
      case '1':
      case 'i':
      case 'I':
      case '|': out += 'l'; break;
      case '5': out += 's'; break;
      case '3': out += 'e'; break;
      default: out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  for (std::size_t at = 0; (at = out.find("rn", at)) != std::string::npos; ++at)
    out.replace(at, 2, "m");
  return out;
}

Findings scan_descriptors(json::Value servers) { return Set(servers).judge(); }

std::vector<ToolFinding> compare_descriptors(json::Value servers, std::string_view learnt) {
  return Set(servers, learnt).told();
}

}  // namespace latticegate::inspect
