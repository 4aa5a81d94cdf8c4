#include "policy/translate.h"

#include <algorithm>
#include <array>
#include <format>
#include <functional>
#include <utility>

#include "cedar/format.h"
#include "cedar/policy_json.h"
#include "json/value.h"
#include "json/write.h"
#include "policy/detail/cel.h"
#include "policy/detail/rule_writer.h"
#include "policy/detail/toolhive.h"
#include "yaml/json_text.h"
#include "yaml/node.h"

namespace latticegate::policy {
namespace {

using base::Code;
using base::Result;
using cedar::Effect;
using Names = std::vector<std::string>;

// What a path of CEL means for us.
struct Meaning {
  enum class Kind : std::uint8_t {
    unknown,
    tool,      // the name of the tool
    server,    // the backend that it is on
    method,    // "tools/call"
    subject,   // of the token
    claim,     // name
    scopes,    // of the token
    argument,  // name: Cedar text
    present,   // that a tool is called at all
  };
  Kind kind = Kind::unknown;
  std::string name{};
};

// `.a` or `["a b"]`.
std::string attribute(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
  };
  const bool plain =
      !name.empty() && std::ranges::all_of(name, letter) && !(name[0] >= '0' && name[0] <= '9');
  constexpr std::array<std::string_view, 9> reserved{"true", "false", "if",   "then", "else",
                                                     "in",   "is",    "like", "has"};
  if (plain && !std::ranges::contains(reserved, name)) return std::format(".{}", name);
  return std::format("[{}]", cedar::quoted(name));
}

Meaning argument_of(std::span<const std::string> words) {
  if (words.empty()) return {};
  std::string text = "context.input";
  for (const std::string& word : words) text += attribute(word);
  return {Meaning::Kind::argument, std::move(text)};
}

Meaning meaning_of(RuleSource source, std::span<const std::string> words) {
  using Kind = Meaning::Kind;
  const auto is = [&](std::initializer_list<std::string_view> path) {
    return std::ranges::equal(words, path);
  };
  const auto below = [&](std::initializer_list<std::string_view> path) {
    return words.size() > path.size() && std::ranges::equal(words.first(path.size()), path);
  };
  if (source == RuleSource::agentgateway) {
    if (is({"mcp", "tool"})) return {Kind::present};
    if (is({"mcp", "tool", "name"})) return {Kind::tool};
    if (is({"mcp", "tool", "target"})) return {Kind::server};
    if (below({"mcp", "tool", "arguments"})) return argument_of(words.subspan(3));
    if (is({"jwt", "sub"})) return {Kind::subject};
    if (words.size() == 2 && words[0] == "jwt") return {Kind::claim, words[1]};
    return {};
  }
  if (is({"request", "mcp", "tool"})) return {Kind::tool};
  if (is({"request", "mcp", "backend"})) return {Kind::server};
  if (is({"request", "mcp", "method"})) return {Kind::method};
  if (is({"request", "auth", "jwt", "scopes"})) return {Kind::scopes};
  if (is({"request", "auth", "jwt", "claims", "sub"})) return {Kind::subject};
  if (words.size() == 5 && below({"request", "auth", "jwt", "claims"}))
    return {Kind::claim, words[4]};
  if (below({"request", "mcp", "params", "arguments"})) return argument_of(words.subspan(4));
  return {};
}

// Text with the wildcards of `like` around it.
std::string pattern(std::string_view before, std::string_view literal, std::string_view after) {
  std::string inner;
  const std::string quoted = cedar::quoted(literal);
  for (const char c : std::string_view(quoted).substr(1, quoted.size() - 2))
    inner += c == '*' ? std::string("\\*") : std::string(1, c);
  return std::format("\"{}{}{}\"", before, inner, after);
}

// CEL conditions.
class Conditions {
 public:
  Conditions(RuleSource source, const Names& servers, RuleWriter& writer)
      : source_(source), servers_(servers), writer_(writer) {}

  Clause of(std::string_view text, const Rounding& rounding) {
    const auto parsed = parse_cel(text);
    if (!parsed)
      return writer_.missing(std::format("{} in {}", parsed.error().detail, text), rounding);
    return of(*parsed, rounding);
  }

 private:
  using Kind = Cel::Kind;
  using Mean = Meaning::Kind;

  Clause missing(const Cel& e, const Rounding& rounding) {
    return writer_.missing(e.source, rounding);
  }
  Meaning meaning(const Cel& e) const {
    return e.kind == Kind::path ? meaning_of(source_, e.words) : Meaning{};
  }

  Clause of(const Cel& e, const Rounding& rounding) {
    switch (e.kind) {
      case Kind::boolean: return constant(e.number != 0);
      case Kind::all:
      case Kind::any: {
        Clause out = constant(e.kind == Kind::all);
        for (const Cel& part : e.parts)
          out =
              e.kind == Kind::all ? both(out, of(part, rounding)) : either(out, of(part, rounding));
        return out;
      }
      case Kind::negation: return contrary(of(e.parts[0], rounding.negated()));
      case Kind::equal: return equality(e, rounding);
      case Kind::unequal: return contrary(equality(e, rounding.negated()));
      case Kind::less:
      case Kind::less_equal:
      case Kind::greater:
      case Kind::greater_equal: return order(e, rounding);
      case Kind::in: return membership(e, rounding);
      case Kind::call: return call(e, rounding);
      case Kind::path:
        if (const Meaning what = meaning(e); what.kind == Mean::argument)
          return RuleWriter::argument(what.name, rounding);
        return missing(e, rounding);
      default: return missing(e, rounding);
    }
  }

  // A literal as Cedar text; "" for what is none.
  static std::string literal(const Cel& e) {
    if (e.kind == Kind::text) return cedar::quoted(e.name);
    if (e.kind == Kind::integer) return std::to_string(e.number);
    if (e.kind == Kind::boolean) return e.number != 0 ? "true" : "false";
    return {};
  }

  Clause equality(const Cel& e, const Rounding& rounding) {
    const bool turned = e.parts[0].kind != Kind::path;
    const Cel& value = e.parts[turned ? 0 : 1];
    const Meaning what = meaning(e.parts[turned ? 1 : 0]);
    if (what.kind == Mean::argument && !literal(value).empty())
      return RuleWriter::argument(std::format("{} == {}", what.name, literal(value)), rounding);
    if (value.kind != Kind::text) return missing(e, rounding);
    return one_of(what, {value.name}, e, rounding);
  }

  Clause one_of(const Meaning& what, const Names& values, const Cel& e, const Rounding& rounding) {
    if (what.kind == Mean::tool)
      return RuleWriter::called(writer_.tools(servers_, values, rounding), rounding);
    Clause out = constant(false);
    for (const std::string& value : values) {
      Clause one;
      switch (what.kind) {
        case Mean::server:
          one = RuleWriter::called(RuleWriter::of_servers({&value, 1}), rounding);
          break;
        case Mean::subject: one = writer_.known(writer_.agent(value), e.source, rounding); break;
        case Mean::claim:
          one = writer_.known(writer_.group(what.name, value), e.source, rounding);
          break;
        case Mean::scopes:
          one = writer_.known(writer_.group("scope", value), e.source, rounding);
          break;
        case Mean::method:
          if (value == "tools/call")
            one = clause("action in Mcp::Action::\"call_tool\"");
          else if (value == "prompts/get")
            one = clause("action == Mcp::Action::\"get_prompt\"");
          else if (value == "resources/read")
            one = clause("action == Mcp::Action::\"read_resource\"");
          else
            one = missing(e, rounding);
          break;
        default: return missing(e, rounding);
      }
      out = either(out, one);
    }
    return out;
  }

  Clause order(const Cel& e, const Rounding& rounding) {
    const bool turned = e.parts[0].kind != Kind::path;
    const Cel& value = e.parts[turned ? 0 : 1];
    const Meaning what = meaning(e.parts[turned ? 1 : 0]);
    if (what.kind != Mean::argument || value.kind != Kind::integer) return missing(e, rounding);
    const std::string_view sign = e.kind == Kind::less         ? "<"
                                  : e.kind == Kind::less_equal ? "<="
                                  : e.kind == Kind::greater    ? ">"
                                                               : ">=";
    return RuleWriter::argument(turned ? std::format("{} {} {}", value.number, sign, what.name)
                                       : std::format("{} {} {}", what.name, sign, value.number),
                                rounding);
  }

  Clause membership(const Cel& e, const Rounding& rounding) {
    const Cel& left = e.parts[0];
    const Cel& right = e.parts[1];
    if (right.kind == Kind::list) {
      const Meaning what = meaning(left);
      Names values;
      std::string list;
      for (const Cel& part : right.parts) {
        if (literal(part).empty()) return missing(e, rounding);
        list += (list.empty() ? "" : ", ") + literal(part);
        if (part.kind == Kind::text) values.push_back(part.name);
      }
      if (what.kind == Mean::argument && !list.empty())
        return RuleWriter::argument(std::format("[{}].contains({})", list, what.name), rounding);
      if (values.size() != right.parts.size()) return missing(e, rounding);
      return one_of(what, values, e, rounding);
    }
    const Meaning what = meaning(right);
    if (what.kind == Mean::argument && !literal(left).empty())
      return RuleWriter::argument(std::format("{}.contains({})", what.name, literal(left)),
                                  rounding);
    if (left.kind == Kind::text && (what.kind == Mean::claim || what.kind == Mean::scopes))
      return one_of(what, {left.name}, e, rounding);
    return missing(e, rounding);
  }

  Clause call(const Cel& e, const Rounding& rounding) {
    if (!e.method && e.name == "has" && e.parts.size() == 1) {
      const Meaning what = meaning(e.parts[0]);
      if (what.kind == Mean::present) return clause("action in Mcp::Action::\"call_tool\"");
      if (what.kind != Mean::argument) return missing(e, rounding);
      // has: each step of the path.
      std::vector<std::string> words = e.parts[0].words;
      words.erase(words.begin(), words.begin() + (source_ == RuleSource::agentgateway ? 3 : 4));
      Clause out = rounding.permits ? constant(true) : clause("context has input");
      std::string at = "context.input";
      for (const std::string& word : words) {
        out = both(out, clause(std::format("{} has {}", at, cedar::quoted(word))));
        at += attribute(word);
      }
      return out;
    }
    if (!e.method || e.parts.size() != 2 || e.parts[1].kind != Kind::text)
      return missing(e, rounding);
    const Meaning what = meaning(e.parts[0]);
    if (what.kind != Mean::argument) return missing(e, rounding);
    const std::string& text = e.parts[1].name;
    if (e.name == "startsWith")
      return RuleWriter::argument(std::format("{} like {}", what.name, pattern("", text, "*")),
                                  rounding);
    if (e.name == "endsWith")
      return RuleWriter::argument(std::format("{} like {}", what.name, pattern("*", text, "")),
                                  rounding);
    if (e.name == "contains")
      return RuleWriter::argument(std::format("{} like {}", what.name, pattern("*", text, "*")),
                                  rounding);
    if (e.name == "matches") return regular(what.name, text, e, rounding);
    return missing(e, rounding);
  }

  // Texts with anchors and `.*`, nothing else: `like` can say that.
  Clause regular(const std::string& term, std::string_view text, const Cel& e,
                 const Rounding& rounding) {
    const bool from_begin = text.starts_with('^');
    if (from_begin) text.remove_prefix(1);
    const bool to_end = text.ends_with('$') && !text.ends_with("\\$");
    if (to_end) text.remove_suffix(1);
    std::string like = from_begin ? "" : "*";
    bool gap = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text.substr(i).starts_with(".*")) {
        like += '*';
        gap = true;
        ++i;
        continue;
      }
      char c = text[i];
      constexpr std::string_view special = "\\.+*?()|[]{}^$";
      if (c == '\\') {
        ++i;
        if (i == text.size() || !special.contains(text[i])) return missing(e, rounding);
        c = text[i];
      } else if (special.contains(c)) {
        return missing(e, rounding);
      }
      const std::string one = pattern("", std::string_view(&c, 1), "");
      like += one.substr(1, one.size() - 2);
    }
    if (!to_end) like += '*';
    // A dot takes no line feed; with both ends fixed that can be said exactly.
    if (gap && !(from_begin && to_end)) return missing(e, rounding);
    Clause out = RuleWriter::argument(std::format("{} like \"{}\"", term, like), rounding);
    if (gap) out = both(out, clause(std::format("!({} like \"*\\n*\")", term)));
    return out;
  }

  RuleSource source_;
  const Names& servers_;
  RuleWriter& writer_;
};

// ---- agentgateway

void names_of_targets(json::Value tree, Names& out) {
  if (tree.is_array())
    for (const json::Value element : tree.elements()) names_of_targets(element, out);
  if (!tree.is_object()) return;
  for (const json::Member member : tree.members()) {
    if (member.key == "targets" && member.value.is_array()) {
      for (const json::Value target : member.value.elements())
        if (const auto name = target["name"].string(); name && !std::ranges::contains(out, *name))
          out.emplace_back(*name);
    } else {
      names_of_targets(member.value, out);
    }
  }
}

void agentgateway_rules(json::Value rules, const Names& servers, RuleWriter& writer) {
  Conditions conditions(RuleSource::agentgateway, servers, writer);
  const Clause here = RuleWriter::of_servers(servers);
  bool any_allow = false;
  for (const json::Value rule : rules.elements()) {
    std::string_view kind = "allow";
    json::Value text = rule;
    if (rule.is_object())
      for (const json::Member member : rule.members()) {
        kind = member.key;
        text = member.value;
      }
    const std::string expression(text.text_or(""));
    writer.begin(std::format("{}: {}", kind, expression));
    if (kind == "allow") {
      any_allow = true;
      writer.write(Effect::permit, both(here, conditions.of(expression, {.permits = true})));
    } else if (kind == "deny") {
      writer.write(Effect::forbid, both(here, conditions.of(expression, {.permits = false})));
    } else if (kind == "require") {
      writer.write(
          Effect::forbid,
          both(here, contrary(conditions.of(expression, Rounding{.permits = false}.negated()))));
    } else {
      writer.write(Effect::forbid, both(here, writer.missing(kind, {.permits = false})));
    }
  }
  if (any_allow) return;
  writer.begin("no rule allows, so that everything is allowed that no rule denies");
  writer.write(Effect::permit, here);
}

void agentgateway(json::Value tree, const Names& given, RuleWriter& writer, bool& found) {
  if (tree.is_array())
    for (const json::Value element : tree.elements()) agentgateway(element, given, writer, found);
  if (!tree.is_object()) return;
  for (const json::Value rules :
       {tree["policies"]["mcpAuthorization"]["rules"], tree["mcpAuthorization"]["rules"]}) {
    if (!rules.is_array()) continue;
    found = true;
    Names servers;
    names_of_targets(tree, servers);
    agentgateway_rules(rules, servers.empty() ? given : servers, writer);
  }
  for (const json::Member member : tree.members())
    if (member.key != "policies") agentgateway(member.value, given, writer, found);
}

// ---- Envoy AI Gateway

Clause envoy_source(json::Value source, RuleWriter& writer, const Rounding& rounding) {
  Clause out = constant(true);
  for (const json::Member member : source.members())
    if (member.key != "jwt")
      out = both(out, writer.missing(std::format("source.{}", member.key), rounding));
  for (const json::Member member : source["jwt"].members())
    if (member.key != "scopes" && member.key != "claims")
      out = both(out, writer.missing(std::format("source.jwt.{}", member.key), rounding));
  for (const json::Value scope : source["jwt"]["scopes"].elements())
    out = both(out, writer.group("scope", scope.text_or("")));
  for (const json::Value claim : source["jwt"]["claims"].elements()) {
    const std::string_view name = claim["name"].text_or("");
    Clause some = constant(false);
    for (const json::Value value : claim["values"].elements())
      some = either(some, name == "sub" ? writer.agent(value.text_or(""))
                                        : writer.group(name, value.text_or("")));
    out = both(out, some);
  }
  return out;
}

Clause envoy_rule(json::Value rule, const Names& servers, RuleWriter& writer,
                  const Rounding& rounding) {
  Clause out = envoy_source(rule["source"], writer, rounding);
  if (const json::Value tools = rule["target"]["tools"]; tools.is_array()) {
    Clause some = constant(false);
    for (const json::Value tool : tools.elements()) {
      const Names backend{std::string(tool["backend"].text_or(""))};
      const Names name{std::string(tool["tool"].text_or(""))};
      some = either(some, writer.tools(backend, name, rounding));
    }
    out = both(out, some);
  } else if (rule["target"].exists()) {
    out = both(out, writer.missing("target", rounding));
  }
  if (const auto expression = rule["cel"].string())
    out = both(out,
               Conditions(RuleSource::envoy_ai_gateway, servers, writer).of(*expression, rounding));
  return out;
}

void envoy(json::Value tree, const Names& given, RuleWriter& writer, bool& found) {
  if (tree.is_array())
    for (const json::Value element : tree.elements()) envoy(element, given, writer, found);
  if (!tree.is_object()) return;
  const json::Value authorization = tree["securityPolicy"]["authorization"];
  if (!authorization.is_object()) {
    for (const json::Member member : tree.members()) envoy(member.value, given, writer, found);
    return;
  }
  found = true;
  Names servers;
  for (const json::Value backend : tree["backendRefs"].elements())
    if (const auto name = backend["name"].string()) servers.emplace_back(*name);
  if (servers.empty()) servers = given;
  const Clause here = RuleWriter::of_servers(servers);
  const auto denies = [](json::Value rule) { return rule["action"].text_or("Allow") == "Deny"; };
  std::vector<json::Value> allowed_before;
  for (const json::Value rule : authorization["rules"].elements()) {
    writer.begin(json::to_string(rule));
    if (!denies(rule)) {
      allowed_before.push_back(rule);
      writer.write(Effect::permit,
                   both(here, envoy_rule(rule, servers, writer, {.permits = true})));
      continue;
    }
    // The first rule that matches decides: what was allowed before is not denied any more.
    const Rounding rounding{.permits = false};
    Clause condition = both(here, envoy_rule(rule, servers, writer, rounding));
    for (const json::Value earlier : allowed_before)
      condition =
          both(condition, contrary(envoy_rule(earlier, servers, writer, rounding.negated())));
    writer.write(Effect::forbid, condition);
  }
  if (authorization["defaultAction"].text_or("Deny") != "Allow") return;
  writer.begin("defaultAction: Allow");
  writer.write(Effect::permit, here);
}

// ---- Pomerium

Clause pomerium_tools(json::Value matcher, const Names& servers, RuleWriter& writer,
                      const Rounding& rounding) {
  Clause out = constant(true);
  const auto names = [](json::Value value) {
    Names all;
    if (value.is_array())
      for (const json::Value one : value.elements()) all.emplace_back(one.text_or(""));
    else
      all.emplace_back(value.text_or(""));
    return all;
  };
  if (matcher.is_string()) return writer.tools(servers, names(matcher), rounding);
  for (const json::Member member : matcher.members()) {
    if (member.key == "is" || member.key == "in")
      out = both(out, writer.tools(servers, names(member.value), rounding));
    else if (member.key == "not_in" || member.key == "is_not")
      out = both(out, contrary(writer.tools(servers, names(member.value), rounding.negated())));
    else
      out = both(out, writer.missing(std::format("mcp_tool.{}", member.key), rounding));
  }
  return out;
}

Clause pomerium_criterion(std::string_view name, json::Value value, const Names& servers,
                          RuleWriter& writer, const Rounding& rounding) {
  const auto plain = [&](std::string_view key) {
    return value.is_string() ? value.string() : value[key].string();
  };
  if (name == "mcp_tool") return pomerium_tools(value, servers, writer, rounding);
  if (name == "accept") return constant(true);
  if (name == "reject") return constant(false);
  if (name == "authenticated_user") return clause("principal.attested");
  if (name == "email" || name == "user") {
    if (const auto who = plain("is")) return writer.agent(*who);
  } else if (name == "domain") {
    if (const auto domain = plain("is")) return writer.group("domain", *domain);
  } else if (name == "groups") {
    if (const auto group = plain("has")) return writer.group("groups", *group);
  } else if (name.starts_with("claim/")) {
    if (const auto claim = plain("is")) return writer.group(name.substr(6), *claim);
  }
  return writer.missing(std::format("{}: {}", name, json::to_string(value)), rounding);
}

Clause pomerium_rule(json::Value rule, const Names& servers, RuleWriter& writer,
                     const Rounding& rounding) {
  Clause out = constant(true);
  for (const json::Member member : rule.members()) {
    const bool negates = member.key == "not" || member.key == "nor";
    if (!negates && member.key != "and" && member.key != "or") {
      out = both(out, writer.missing(member.key, rounding));
      continue;
    }
    // Of `not` and `nor`: whatever makes less allowed.
    const bool all = member.key == "and" || (negates && rounding.permits);
    Clause some = constant(all);
    for (const json::Value criterion : member.value.elements())
      for (const json::Member one : criterion.members()) {
        const Rounding inner = negates ? rounding.negated() : rounding;
        Clause part = pomerium_criterion(one.key, one.value, servers, writer, inner);
        if (negates) part = contrary(part);
        some = all ? both(some, part) : either(some, part);
      }
    if (negates && member.value.size() > 1)
      writer.note("`not` and `nor` of several criteria are read as what allows less");
    out = both(out, some);
  }
  return out;
}

void pomerium(json::Value tree, const Names& given, RuleWriter& writer, bool& found) {
  const auto route = [&](json::Value policy, const Names& servers) {
    const auto rules = [&](json::Value block) {
      for (const std::string_view effect : {"allow", "deny"}) {
        const json::Value rule = block[effect];
        if (!rule.is_object()) continue;
        found = true;
        writer.begin(std::format("{}: {}", effect, json::to_string(rule)));
        const bool permits = effect == "allow";
        writer.write(permits ? Effect::permit : Effect::forbid,
                     both(RuleWriter::of_servers(servers),
                          pomerium_rule(rule, servers, writer, {.permits = permits})));
      }
    };
    if (policy.is_array())
      for (const json::Value block : policy.elements()) rules(block);
    else
      rules(policy);
  };
  const json::Value routes = tree["routes"];
  if (!routes.is_array()) {
    route(tree["policy"].exists() ? tree["policy"] : tree, given);
    return;
  }
  for (const json::Value one : routes.elements()) {
    const auto name = one["name"].string();
    route(one["policy"],
          name && !name->empty() && given.empty() ? Names{std::string(*name)} : given);
  }
}

}  // namespace

std::optional<RuleSource> rule_source_named(std::string_view name) {
  if (name == "toolhive") return RuleSource::toolhive;
  if (name == "agentgateway") return RuleSource::agentgateway;
  if (name == "envoy-ai-gateway") return RuleSource::envoy_ai_gateway;
  if (name == "pomerium") return RuleSource::pomerium;
  return std::nullopt;
}

Result<Translation> translate(RuleSource source, std::string_view text, std::string_view file,
                              std::string_view server) {
  const auto node = yaml::parse(text, file);
  if (!node) return std::unexpected(node.error());
  const auto as_json = yaml::to_json(*node);
  if (!as_json) return std::unexpected(as_json.error());
  const auto document = json::Document::parse(*as_json);
  if (!document) return base::within(file, document.error());
  const json::Value root = document->root();
  const Names given = server.empty() ? Names{} : Names{std::string(server)};
  constexpr std::array<std::string_view, 4> names{"toolhive", "agentgateway", "envoy-ai-gateway",
                                                  "pomerium"};
  RuleWriter writer(names.at(static_cast<std::size_t>(source)));
  bool found = false;
  switch (source) {
    case RuleSource::toolhive:
      if (auto done = translate_toolhive(root, server, writer, found); !done)
        return base::within(file, std::move(done).error());
      break;
    case RuleSource::agentgateway: agentgateway(root, given, writer, found); break;
    case RuleSource::envoy_ai_gateway: envoy(root, given, writer, found); break;
    case RuleSource::pomerium: pomerium(root, given, writer, found); break;
  }
  if (!found)
    return base::fail(Code::invalid, std::format("{}: no rules of {} in it", file,
                                                 names.at(static_cast<std::size_t>(source))));
  std::string policies = writer.text();
  Translation translation{
      .policies = {}, .missing = writer.take_missing(), .notes = writer.take_notes()};
  std::string head;
  for (const std::string& note : translation.notes) head += std::format("// {}\n", note);
  if (!head.empty()) policies = head + '\n' + policies;
  auto formatted = cedar::format_policies(policies, "the translation");
  if (!formatted) return std::unexpected(std::move(formatted).error());
  translation.policies = *std::move(formatted);
  return translation;
}

}  // namespace latticegate::policy
