#include "policy/decision.h"

#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <utility>

#include "base/log.h"
#include "policy/detail/denial.h"

namespace latticegate::policy {
namespace {

constexpr std::size_t longest_value = 60;  // of an argument, in a sentence for a client
constexpr std::size_t longest_name = 100;  // of an argument
constexpr std::size_t most_causes = 16;
constexpr std::string_view input = "context.input";

// Safe for a client's terminal and model: printable, and not longer than the limit.
std::string shown(std::string_view text, std::size_t limit) {
  std::string safe = base::printable(text.substr(0, limit));
  if (text.size() <= limit) return safe;
  // The cut may have split a character.
  while (!safe.empty() && static_cast<unsigned char>(safe.back()) >= 0x80) safe.pop_back();
  return safe + "...";
}

// What a clause read says about the call, in plain words; the first row that matches wins. Whoever
// is refused learns which kind of thing decided and never a value that is not his own.
struct Words {
  std::string_view path;
  std::string_view words;
};
constexpr auto plain_words = std::to_array<Words>({
    {"context.approval", "an approval is needed"},
    {"context.derived.sql", "its SQL statement is not allowed"},
    {"context.derived.dest", "the address that it names is not allowed"},
    {"context.derived.hosts", "the address that it names is not allowed"},
    {"context.derived.estimatedRecords", "it asks for too many records"},
    {"context.derived.provenance.steered",
     "an argument comes from text that nobody vouches for, not from the task"},
    {"context.derived.provenance", "where its arguments come from does not allow it"},
    {"context.derived.findings", "something in its arguments is not allowed"},
    {"context.output", "the answer holds more or other data than is allowed"},
    {"context.risk", "this conversation behaves unusually"},
    {"context.session.user", "the person behind this agent may not do this"},
    {"context.session.recordsRead", "this conversation has read too much"},
    {"context.session.bytesRead", "this conversation has read too much"},
    {"context.session", "what this conversation has done before does not allow it"},
    {"temporal {", "what was done before does not allow it"},
    {"context.env.now", "it is not allowed at this time"},
    {"context.env.kex", "this connection is not protected well enough"},
    {"context.env", "it is not allowed from here"},
    {"principal.quarantined", "this agent is quarantined"},
    {"resource.pinned", "its definition has changed and waits for approval"},
    {"principal", "this agent may not do this"},
    {"resource", "this agent may not do this"},
    {"action", "this agent may not do this"},
});

// "context.input.edits" -> "edits"; nothing for what is no argument.
std::optional<std::string_view> argument_in(std::string_view path) {
  if (!path.starts_with(input)) return {};
  path.remove_prefix(input.size());
  if (path.starts_with('.')) return path.substr(1);
  if (path.starts_with('[')) return path;
  return {};
}

// The sentence's second half, by what the most telling clauses read.
std::string words_of(const std::vector<cedar::Clause>& clauses) {
  for (const cedar::Clause& clause : clauses)
    for (const cedar::Read& read : clause.reads)
      if (const auto argument = argument_in(read.path)) {
        const std::string name = shown(*argument, longest_name);
        if (read.value == "(absent)") return std::format("the argument {} is missing", name);
        return std::format("the argument {} is not allowed to be {}", name,
                           shown(read.value, longest_value));
      }
  for (const cedar::Clause& clause : clauses)
    for (const Words& row : plain_words)
      for (const cedar::Read& read : clause.reads)
        if (read.path.starts_with(row.path)) return std::string(row.words);
  return "this agent may not do this";
}

std::string sentence_of(Reason reason, const cedar::Explanation& explanation) {
  switch (reason) {
    case Reason::forbidden: {
      // The policy that speaks of an argument tells the client most.
      const auto& all = explanation.determining;
      const auto telling = std::ranges::find_if(all, [](const cedar::PolicyExplanation& policy) {
        return std::ranges::any_of(policy.clauses, [](const cedar::Clause& clause) {
          return std::ranges::any_of(clause.reads, [](const cedar::Read& read) {
            return argument_in(read.path).has_value();
          });
        });
      });
      if (all.empty()) return "denied by policy";
      const auto& policy = telling == all.end() ? all.front() : *telling;
      return std::format("denied by policy {}: {}", shown(policy.id, longest_name),
                         words_of(policy.clauses));
    }
    case Reason::not_permitted: return "denied: no policy allows this call";
    case Reason::forbid_error:
      return "denied: a policy could not be evaluated for this call, so it is refused";
    case Reason::arguments: return "denied: the arguments cannot be judged";
    case Reason::answer: return "denied: the answer cannot be judged";
    case Reason::throttled: return "denied: too many calls";
  }
  std::unreachable();
}

// What is said about a value that a clause read. Texts of answers are other people's: their kind
// says enough.
std::string_view told(const cedar::Read& read) {
  if (!read.path.starts_with("context.output") || read.value.empty()) return read.value;
  const bool content = read.path.starts_with("context.output.structured");
  switch (read.value.front()) {
    case '{': return "(a record)";
    case '"': return content ? "(a string)" : std::string_view(read.value);
    case '[': return content ? "(a set)" : std::string_view(read.value);
    default: return read.value;
  }
}

Cause cause_of(const cedar::PolicyExplanation& policy, const cedar::Clause* clause) {
  Cause cause{.policy = policy.id,
              .clause = {},
              .place = std::format("{}:{}:{}", policy.file, policy.line, policy.column),
              .reads = {},
              .error = {}};
  if (!clause) return cause;
  cause.clause = clause->text;
  cause.place = std::format("{}:{}:{}", clause->file, clause->line, clause->column);
  for (const cedar::Read& read : clause->reads) cause.reads.emplace_back(read.path, told(read));
  cause.error = clause->error;
  return cause;
}

void add_causes(const std::vector<cedar::PolicyExplanation>& policies, Denial& denial) {
  for (const cedar::PolicyExplanation& policy : policies) {
    if (policy.clauses.empty()) denial.causes.push_back(cause_of(policy, nullptr));
    for (const cedar::Clause& clause : policy.clauses) {
      if (denial.causes.size() >= most_causes) return;
      denial.causes.push_back(cause_of(policy, &clause));
    }
  }
}

}  // namespace

std::string_view name(Mode mode) { return mode == Mode::observe ? "observe" : "enforce"; }

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::forbidden: return "forbidden";
    case Reason::not_permitted: return "not_permitted";
    case Reason::forbid_error: return "forbid_error";
    case Reason::arguments: return "arguments";
    case Reason::answer: return "answer";
    case Reason::throttled: return "throttled";
  }
  std::unreachable();
}

Denial denial_of(Reason reason, const cedar::Explanation& explanation) {
  Denial denial{.reason = reason, .sentence = sentence_of(reason, explanation)};
  denial.cedar_allows = explanation.decision == cedar::Decision::allow;
  if (reason == Reason::forbidden) {
    for (const auto& policy : explanation.determining) denial.policies.push_back(policy.id);
    add_causes(explanation.determining, denial);
  }
  for (const auto& policy : explanation.failed)
    if (policy.effect == cedar::Effect::forbid) denial.policies.push_back(policy.id);
  add_causes(explanation.failed, denial);
  if (reason == Reason::not_permitted) add_causes(explanation.near_misses, denial);
  return denial;
}

Denial denial_of(const Refusal& refusal) {
  const std::string argument = shown(refusal.argument, longest_name);
  const std::string_view whole = refusal.answer ? "the structured content" : "the arguments";
  const std::string_view part = refusal.answer ? "of the structured content," : "the argument";
  Denial denial{.reason = refusal.answer ? Reason::answer : Reason::arguments};
  denial.sentence = argument.empty()
                        ? std::format("denied: {} {}", whole, refusal.words)
                        : std::format("denied: {} {} {}", part, argument, refusal.words);
  return denial;
}

Denial throttled(const Obligation& throttle, std::chrono::nanoseconds wait) {
  const std::string_view unit = throttle.per == std::chrono::seconds(1)   ? "a second"
                                : throttle.per == std::chrono::minutes(1) ? "a minute"
                                                                          : "an hour";
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return {.reason = Reason::throttled,
          .sentence = std::format("denied by policy {}: at most {} call{} {}, try again in {} s",
                                  shown(throttle.policy, longest_name), throttle.number,
                                  throttle.number == 1 ? "" : "s", unit, seconds),
          .policies = {throttle.policy},
          .cedar_allows = true};
}

std::string explanation(const Denial& denial, bool values) {
  constexpr std::array<std::string_view, 4> safe{"context.session", "context.risk", "context.env",
                                                 "principal"};
  std::string text(name(denial.reason));
  if (denial.reason == Reason::throttled ||
      (values && (denial.reason == Reason::arguments || denial.reason == Reason::answer)))
    text += std::format(": {}", denial.sentence);
  bool first = true;
  for (const Cause& cause : denial.causes) {
    text += std::format("{}{}", first ? ": " : "; ", cause.policy);
    if (!cause.clause.empty()) text += std::format(": {}", cause.clause);
    text += std::format(" at {}", cause.place);
    if (!cause.error.empty())
      text += values ? std::format(" fails: {}", cause.error) : std::string(" fails");
    std::string reads;
    for (const auto& [path, value] : cause.reads) {
      const bool told = values || std::ranges::any_of(safe, [&](std::string_view prefix) {
                          return path.starts_with(prefix);
                        });
      reads += std::format("{}{} = {}", reads.empty() ? "" : ", ", path,
                           told ? std::string_view(value) : "<redacted>");
    }
    if (!reads.empty()) text += std::format(" ({})", reads);
    first = false;
  }
  return text;
}

}  // namespace latticegate::policy
