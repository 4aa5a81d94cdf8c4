#include <format>
#include <utility>

#include "base/log.h"
#include "policy/detail/rule_writer.h"

namespace latticegate::policy {
namespace {

constexpr std::size_t longest_original = 300;

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, longest_original)) {
    const bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (!blank || (!out.empty() && !out.ends_with(' '))) out += blank ? ' ' : c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return base::printable(out) + (text.size() > longest_original ? "..." : "");
}

// Without parentheses around the whole.
std::string_view bare(std::string_view text) {
  if (!text.starts_with('(')) return text;
  int depth = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inside && c == '\\')
      ++i;
    else if (c == '"')
      inside = !inside;
    else if (!inside && c == '(')
      ++depth;
    else if (!inside && c == ')' && --depth == 0 && i + 1 < text.size())
      return text;
  }
  return text.substr(1, text.size() - 2);
}

}  // namespace

Clause clause(std::string text) { return {Clause::Kind::text, std::move(text)}; }
Clause constant(bool truth) { return {truth ? Clause::Kind::always : Clause::Kind::never, {}}; }

Clause both(const Clause& a, const Clause& b) {
  if (a.kind == Clause::Kind::never || b.kind == Clause::Kind::always) return a;
  if (b.kind == Clause::Kind::never || a.kind == Clause::Kind::always) return b;
  return clause(std::format("({} && {})", a.text, b.text));
}

Clause either(const Clause& a, const Clause& b) {
  if (a.kind == Clause::Kind::always || b.kind == Clause::Kind::never) return a;
  if (b.kind == Clause::Kind::always || a.kind == Clause::Kind::never) return b;
  return clause(std::format("({} || {})", a.text, b.text));
}

Clause contrary(const Clause& a) {
  if (a.kind != Clause::Kind::text) return constant(a.kind == Clause::Kind::never);
  return clause(std::format("!({})", bare(a.text)));
}

void RuleWriter::begin(std::string_view original) {
  ++rules_;
  original_ = one_line(original);
  missing_before_ = missing_.size();
}

Clause RuleWriter::missing(std::string_view what, const Rounding& rounding) {
  missing_.push_back(std::format("rule {}: {}", rules_, one_line(what)));
  return constant(rounding.unknown());
}

void RuleWriter::note(std::string text) { notes_.insert(std::move(text)); }

Clause RuleWriter::argument(std::string text, const Rounding& rounding) {
  // What is no call of a tool has no arguments. A rule that allows then does not hold (write());
  // in one that refuses, the part is false as it is there.
  if (rounding.permits) return clause(std::move(text));
  return both(clause("context has input"), clause(std::move(text)));
}

void RuleWriter::write(cedar::Effect effect, const Clause& whole) {
  const bool reads = effect == cedar::Effect::permit && whole.text.contains("context.input");
  const Clause condition = reads ? both(clause("context has input"), whole) : whole;
  if (!text_.empty()) text_ += '\n';
  text_ += std::format("// {} rule {}: {}\n", source_, rules_, original_);
  for (std::size_t i = missing_before_; i < missing_.size(); ++i)
    text_ += std::format("// not carried over: {}\n", missing_[i]);
  if (condition.kind == Clause::Kind::never) {
    text_ += "// nothing is left of it\n";
    if (missing_.size() == missing_before_)
      missing_.push_back(std::format("rule {}: nothing is left of it", rules_));
    return;
  }
  text_ += std::format("@id(\"{}-{}\")\n{} (principal, action, resource)", source_, rules_,
                       cedar::name(effect));
  if (condition.kind == Clause::Kind::text)
    text_ += std::format("\nwhen {{ {} }}", bare(condition.text));
  text_ += ";\n";
}

Clause RuleWriter::agent(std::string_view subject) {
  note("agents have the names that the rules give to subjects, users and e-mail addresses");
  return clause(std::format("principal == Mcp::Agent::{}", cedar::quoted(subject)));
}

Clause RuleWriter::known(const Clause& claim, std::string_view what, const Rounding& rounding) {
  // Of a caller without the claim those gateways know nothing, and do not allow; here he is merely
  // in no group.
  if (rounding.permits && !rounding.positive) return missing(what, rounding);
  return claim;
}

Clause RuleWriter::group(std::string_view claim, std::string_view value) {
  const std::string name = cedar::quoted(std::format("{}:{}", claim, value));
  note(std::format("put the agents with {} = {} in the group {}", one_line(claim), one_line(value),
                   name));
  return clause(std::format("principal in Mcp::Group::{}", name));
}

Clause RuleWriter::tools(std::span<const std::string> servers, std::span<const std::string> names,
                         const Rounding& rounding) {
  if (servers.empty())
    return missing("the file does not say of which server the tools are; name it with --server",
                   rounding);
  std::string list;
  for (const std::string& server : servers)
    for (const std::string& name : names)
      list += std::format("{}Mcp::Action::{}", list.empty() ? "" : ", ",
                          cedar::quoted(std::format("{}/{}", server, name)));
  if (servers.size() * names.size() == 1) return clause(std::format("action == {}", list));
  return names.empty() ? constant(false) : clause(std::format("action in [{}]", list));
}

Clause RuleWriter::called(const Clause& tool, const Rounding& rounding) {
  // What is no call of a tool has no name and no target there, and is not allowed by a rule that
  // asks for another.
  if (!rounding.permits || rounding.positive) return tool;
  return either(tool, clause("!(action in Mcp::Action::\"call_tool\")"));
}

Clause RuleWriter::of_servers(std::span<const std::string> servers) {
  if (servers.empty()) return constant(true);
  std::string list;
  for (const std::string& server : servers)
    list += std::format("{}Mcp::Server::{}", list.empty() ? "" : ", ", cedar::quoted(server));
  return clause(servers.size() == 1 ? std::format("resource in {}", list)
                                    : std::format("resource in [{}]", list));
}

}  // namespace latticegate::policy
