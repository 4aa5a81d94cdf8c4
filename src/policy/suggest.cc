#include "policy/suggest.h"

#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <utility>

#include "base/log.h"
#include "cedar/format.h"
#include "policy/detail/load.h"
#include "policy/detail/model.h"

namespace latticegate::policy {
namespace {

using cedar::Kind;
using cedar::Value;

constexpr std::size_t most_arguments = 64;
constexpr std::size_t most_numbers = 64;   // different ones that are remembered
constexpr std::uint64_t few = 5;           // calls, for a maximum
constexpr std::size_t longest_text = 128;  // that is offered as one of few
constexpr std::size_t most_text = 4'000;   // of an example in a comment
constexpr std::string_view redacted = "<redacted:";

// The folder of a path, with the slash; nothing for what is no path.
std::optional<std::string_view> folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || path.contains("..") || path.contains("//")) return {};
  return path.substr(0, slash + 1);
}

std::string_view common_folder(std::string_view a, std::string_view b) {
  const auto [x, y] = std::ranges::mismatch(a, b);
  const std::string_view same = a.substr(0, static_cast<std::size_t>(x - a.begin()));
  return same.substr(0, same.rfind('/') == std::string_view::npos ? 0 : same.rfind('/') + 1);
}

// Deep enough that it says something: "/srv/data/", "reports/", not "/" and not "/srv/".
bool says_something(std::string_view folder) {
  const auto slashes = std::ranges::count(folder, '/');
  return folder.starts_with('/') ? slashes >= 3 : slashes >= 1;
}

// As a literal in quotes, with escapes for what is not seen or turns what is read round.
std::string literal(std::string_view text) {
  const std::string quoted = cedar::quoted(text);
  std::string out;
  for (std::size_t i = 0; i < quoted.size();) {
    std::size_t end = i + 1;
    while (end < quoted.size() && (static_cast<unsigned char>(quoted[end]) & 0xC0U) == 0x80U) ++end;
    const std::string_view character = std::string_view(quoted).substr(i, end - i);
    i = end;
    if (character.size() == 1 || base::printable(character) == character) {
      out += character;
      continue;
    }
    std::uint32_t code =
        static_cast<unsigned char>(character[0]) & (0xFFU >> (character.size() + 1));
    for (const char c : character.substr(1))
      code = code << 6U | (static_cast<unsigned char>(c) & 0x3FU);
    out += std::format("\\u{{{:x}}}", code);
  }
  return out;
}

// As the literal of a `like` pattern, without quotes.
std::string pattern(std::string_view text) {
  const std::string quoted = literal(text);
  std::string out;
  for (const char c : std::string_view(quoted).substr(1, quoted.size() - 2)) {
    if (c == '*') out += '\\';
    out += c;
  }
  return out;
}

bool identifier(std::string_view name) {
  constexpr std::array<std::string_view, 10> reserved{"true", "false", "if",   "then", "else",
                                                      "in",   "is",    "like", "has",  "__cedar"};
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name.front()) && !std::ranges::contains(reserved, name) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// What was seen of one argument.
struct Seen {
  std::uint64_t calls = 0;
  std::uint64_t hidden = 0;  // replaced, because it held a secret
  bool mixed = false;        // of several kinds
  Kind kind = Kind::none;
  std::map<std::string, std::uint64_t, std::less<>> texts;  // also the elements of sets
  bool many_texts = false;
  bool no_folder = false;
  std::string folder;
  std::set<std::int64_t> numbers;
  bool many_numbers = false;
  std::int64_t least = 0;
  std::int64_t greatest = 0;

  void take_text(std::string_view text, std::size_t most) {
    if (text.starts_with(redacted)) ++hidden;
    if (many_texts || text.size() > longest_text) {
      many_texts = true;
    } else {
      ++texts[std::string(text)];
      many_texts = texts.size() > most;
    }
  }

  void take(const Value& value, std::size_t most) {
    if (calls++ == 0)
      kind = value.kind();
    else
      mixed = mixed || kind != value.kind();
    if (mixed) return;
    if (value.is(Kind::string)) {
      take_text(value.text(), most);
      const auto own = folder_of(value.text());
      if (!own)
        no_folder = true;
      else if (calls == 1)
        folder = *own;
      else if (!no_folder)
        folder = std::string(common_folder(folder, *own));
    } else if (value.is(Kind::integer)) {
      least = calls == 1 ? value.integer() : std::min(least, value.integer());
      greatest = calls == 1 ? value.integer() : std::max(greatest, value.integer());
      if (!many_numbers) {
        numbers.insert(value.integer());
        many_numbers = numbers.size() > most_numbers;
      }
    } else if (value.is(Kind::boolean)) {
      numbers.insert(value.truth() ? 1 : 0);
    } else if (value.is(Kind::set)) {
      for (const Value& element : value.elements()) {
        if (!element.is(Kind::string)) {
          mixed = true;
          return;
        }
        take_text(element.text(), most);
      }
    }
  }
};

struct Constraint {
  std::string condition;  // empty: free
  std::string words;
};

std::string listed(const Seen& seen) {
  std::string all;
  for (const auto& [text, count] : seen.texts)
    all += std::format("{}{}", all.empty() ? "" : ", ", literal(text));
  return all;
}

std::string counted(const Seen& seen) {
  std::string all;
  for (const auto& [text, count] : seen.texts)
    all += std::format("{}{} {}", all.empty() ? "" : ", ", literal(text), count);
  return all.substr(0, most_text);
}

Constraint constraint_on(const std::string& path, const Seen& seen,
                         const Suggest::Settings& settings) {
  if (seen.mixed) return {{}, "of several kinds, free"};
  if (seen.hidden > 0) return {{}, "held secrets, free"};
  const bool enough = seen.calls >= settings.enough;
  switch (seen.kind) {
    case Kind::string:
      if (enough && !seen.many_texts)
        return {std::format("[{}].contains({})", listed(seen), path), counted(seen)};
      if (seen.calls >= few && !seen.no_folder && says_something(seen.folder))
        return {
            std::format("{0} like \"{1}*\" && !({0} like \"*..*\")", path, pattern(seen.folder)),
            std::format("below {}", literal(seen.folder))};
      return {{}, seen.many_texts ? "many texts, free" : "too few calls to say, free"};
    case Kind::integer: {
      const std::string range = seen.least == seen.greatest
                                    ? std::to_string(seen.least)
                                    : std::format("{} to {}", seen.least, seen.greatest);
      if (seen.calls < few) return {{}, range + ", too few calls to say, free"};
      if (seen.many_numbers || seen.numbers.size() * 2 > seen.calls)
        return {{}, range + ", hardly any twice, free"};
      return {seen.least >= 0
                  ? std::format("{0} >= 0 && {0} <= {1}", path, seen.greatest)
                  : std::format("{0} >= {1} && {0} <= {2}", path, seen.least, seen.greatest),
              range};
    }
    case Kind::boolean:
      if (enough && seen.numbers.size() == 1)
        return {*seen.numbers.begin() == 1 ? path : "!" + path,
                *seen.numbers.begin() == 1 ? "always true" : "always false"};
      return {{}, seen.numbers.size() == 1 ? "too few calls to say, free" : "true and false"};
    case Kind::set:
      if (enough && !seen.many_texts && !seen.texts.empty())
        return {std::format("[{}].containsAll({})", listed(seen), path), "of " + counted(seen)};
      return {{}, "lists, free"};
    default: return {{}, std::format("{}, free", cedar::name(seen.kind))};
  }
}

std::string uid_text(std::string_view type, std::string_view id) {
  return std::format("{}::{}", type, literal(id));
}
std::string uid_text(const cedar::EntityUid& uid) { return uid_text(uid.type(), uid.id()); }

// "suggested-sales-bot-crm-search": what is no letter or digit becomes "-".
std::string id_from(std::string_view who, std::string_view what) {
  std::string id = std::format("suggested-{}-{}", who, what).substr(0, 200);
  for (char& c : id)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) c = '-';
  return id;
}

}  // namespace

struct Suggest::Grant {
  std::string id;
  std::string principal;  // constraints of the scope, as text
  std::string action;
  std::string resource;
  std::set<std::string, std::less<>> targets;
  std::set<std::string, std::less<>> agents;
  std::uint64_t calls = 0;
  base::Time first{};
  base::Time last{};
  bool tool = false;
  std::map<std::string, Seen, std::less<>> arguments;
  bool more_arguments = false;
  Seen uri;  // of resources
};

Suggest::Suggest(std::shared_ptr<const Engine> engine, const World& world, const Settings& settings)
    : engine_(std::move(engine)), people_(people_of(world)), settings_(settings) {}
Suggest::~Suggest() = default;

void Suggest::take(const RecordedCall& call) {
  if (!call.decided) return;
  if (*call.decided != Judgement::Kind::allow) {
    ++counts_.refused;
    return;
  }
  for (const std::string_view rule : call.rules) used_.emplace(rule);
  arena_.reset();
  const auto past = engine_->read_asked(call.asked, people_, arena_);
  if (!past || !past->missing.empty()) {
    ++counts_.missing;
    return;
  }
  ++counts_.allowed;
  engine_->judge(*past, call.call, call.at, {}, scratch_, judgement_);
  if (judgement_.kind == Judgement::Kind::allow)
    for (const std::string_view policy : judgement_.policies) used_.emplace(policy);

  const cedar::EntityUid& agent = past->principal.uid;
  std::string who = uid_text(agent.type(), agent.id());
  std::string_view who_id = agent.id();
  bool group = false;
  if (settings_.by_group) {
    std::optional<std::string_view> least;  // of several the first by name, whatever their order
    for (const cedar::EntityUid& parent : past->principal.parents)
      if (parent.type() == model::group && (!least || parent.id() < *least)) least = parent.id();
    if (least) {
      who = uid_text(model::group, *least);
      who_id = *least;
      group = true;
    }
  }
  const bool resource = past->request.action == model::read_resource;
  const bool tool = past->request.resource.type() == model::tool;
  std::string_view server;
  for (const cedar::EntityUid& parent : past->resource.parents)
    if (parent.type() == model::server) server = parent.id();
  const std::string what =
      resource ? std::format("{}:{}", model::server, server) : uid_text(past->request.resource);
  auto& slot = grants_[{who, what}];
  if (!slot) {
    slot = std::make_unique<Grant>();
    ++counts_.grants;
    slot->principal = std::format("principal {} {}", group ? "in" : "==", who);
    slot->action = "action == " + uid_text(past->request.action);
    slot->resource =
        resource ? "resource in " + uid_text(model::server, server) : "resource == " + what;
    slot->tool = tool;
    const std::string id = id_from(who_id, resource ? std::format("{}-resources", server)
                                                    : std::string(past->request.resource.id()));
    slot->id = id;
    for (int i = 2; std::ranges::count_if(grants_,
                                          [&](const auto& entry) {
                                            return entry.second && entry.second->id == slot->id;
                                          }) > 1;
         ++i)
      slot->id = std::format("{}-{}", id, i);
    slot->first = call.at;
  }
  Grant& grant = *slot;
  ++grant.calls;
  grant.first = std::min(grant.first, call.at);
  grant.last = std::max(grant.last, call.at);
  if (grant.agents.size() < most_arguments) grant.agents.emplace(agent.id());
  if (grant.targets.size() < most_arguments) grant.targets.emplace(call.target);
  if (resource) {
    grant.uri.take(Value::string(past->request.resource.id()), settings_.most_values);
    return;
  }
  const Value input = past->request.context.field(cedar::Name("input"));
  if (!input.is(Kind::record)) return;
  for (const cedar::Field& field : input.fields()) {
    const std::string_view name = field.name.text();
    auto seen = grant.arguments.find(name);
    if (seen == grant.arguments.end()) {
      if (grant.arguments.size() >= most_arguments) {
        grant.more_arguments = true;
        continue;
      }
      seen = grant.arguments.emplace(std::string(name), Seen()).first;
    }
    seen->second.take(field.value, settings_.most_values);
  }
}

std::vector<std::string> Suggest::ids_about(std::string_view target) const {
  std::vector<std::string> ids;
  for (const auto& [key, grant] : grants_)
    if (grant->targets.contains(target)) ids.push_back(grant->id);
  return ids;
}

std::string Suggest::text(const std::set<std::string, std::less<>>& plain) const {
  const auto day = [](base::Time time) { return base::to_rfc3339(time).substr(0, 10); };
  std::string out = std::format(
      "// Suggested from {} recorded calls that were allowed: the least that allows them.\n"
      "// For review: what was not called is not allowed here, and who called decided what is\n"
      "// evidence. Forbids are not repeated; keep those that are in force.\n",
      counts_.allowed);
  for (const auto& [key, grant] : grants_) {
    std::string agents;
    for (const std::string& agent : grant->agents)
      agents += std::format("{}{}", agents.empty() ? "" : ", ", literal(agent));
    out +=
        std::format("\n// {} call{} by {}, {} to {}\n", grant->calls, grant->calls == 1 ? "" : "s",
                    base::printable(agents), day(grant->first), day(grant->last));
    std::vector<std::string> conditions;
    const auto constrain = [&](const std::string& shown, const std::string& presence,
                               const std::string& path, const Seen& seen) {
      Constraint found = constraint_on(path, seen, settings_);
      const bool always = seen.calls == grant->calls;
      if (plain.contains(grant->id) && !found.condition.empty())
        found.words += ", not constrained, because policies cannot say it";
      out += std::format("//   {}{}: {}\n", base::printable(shown),
                         always ? "" : std::format(" ({} of {})", seen.calls, grant->calls),
                         base::printable(found.words));
      if (found.condition.empty()) return;
      if (presence.empty())
        conditions.push_back(std::move(found.condition));
      else if (always)
        conditions.push_back(std::format("{} && {}", presence, found.condition));
      else
        conditions.push_back(std::format("(!({}) || ({}))", presence, found.condition));
    };
    if (grant->uri.calls > 0) constrain("uri", "", "resource.uri", grant->uri);
    for (const auto& [name, seen] : grant->arguments) {
      const bool simple = identifier(name);
      const std::string quoted = literal(name);
      constrain(quoted, "context.input has " + (simple ? name : quoted),
                simple ? "context.input." + name : "context.input[" + quoted + "]", seen);
    }
    if (grant->more_arguments)
      out += std::format("//   more than {} arguments: the others are free\n", most_arguments);
    out += std::format("@id({})\npermit ({}, {}, {})", literal(grant->id), grant->principal,
                       grant->action, grant->resource);
    if (!conditions.empty() && !plain.contains(grant->id)) {
      out += "\nwhen { ";
      for (const std::string& condition : conditions)
        out += (&condition == conditions.data() ? "" : " && ") + condition;
      out += " }";
    }
    out += ";\n";
  }
  auto formatted = cedar::format_policies(out, "suggested.cedar");
  return formatted ? *std::move(formatted) : out;
}

base::Result<std::vector<UnusedGrant>> unused_grants(
    std::span<const PolicyText> texts, const std::set<std::string, std::less<>>& used) {
  auto read = read_policies(texts, false);
  if (!read) return std::unexpected(std::move(read).error());
  std::vector<UnusedGrant> unused;
  for (const cedar::Policy& policy : read->set.policies()) {
    if (policy.effect != cedar::Effect::permit || used.contains(policy.id)) continue;
    const cedar::Location at = policy.locate(policy.span);
    unused.push_back(
        {std::string(policy.id), std::format("{}:{}:{}", at.file, at.line, at.column)});
  }
  return unused;
}

}  // namespace latticegate::policy
