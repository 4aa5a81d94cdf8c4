// Random small sets of policies: no conclusion is contradicted by any request of a small universe,
// and every example shows what it is said to show.
#include <doctest/doctest.h>

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/analysis.h"
#include "cedar/authorize.h"
#include "cedar/coverage.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed, bool with_rich = false)
      : rich(with_rich), state_(seed * 0x9E3779B97F4A7C15U + 1) {}
  const bool rich;  // with leaves that cases cannot take apart
  std::uint32_t below(std::size_t sides) {
    state_ ^= state_ << 13U;
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    return static_cast<std::uint32_t>((state_ >> 20U) % sides);
  }
  template <std::size_t N>
  std::string_view of(const std::array<std::string_view, N>& choices) {
    return choices[below(N)];
  }

 private:
  std::uint64_t state_;
};

std::string rich_leaf(Random& random) {
  const int number = static_cast<int>(random.below(6)) - 1;
  switch (random.below(12)) {
    case 0: return std::format("context.n * 2 == {}", number);
    case 1: return std::format("context.n - {} < -context.n", number);
    case 2: return "context.t.contains(context.n)";
    case 3: return std::format("context.t.containsAll([context.n, {}])", number);
    case 4: return std::format("[context.n, {}].containsAny(context.t)", number);
    case 5: return "context.s == (if context.f then \"a\" else \"ab\")";
    case 6: return std::format("(if context has s then context.n else {}) > 2", number);
    case 7: return std::format("[{}, context.n].contains(1) == context.f", number);
    case 8: return std::format("context.n * context.n > {}", number);
    case 9: return "(context has s && context.s like \"a*\") == context.f";
    case 10: return "context.t == [1, context.n]";
    default: return std::format("(context.f || context.n < {}) != context.t.isEmpty()", number);
  }
}

std::string leaf(Random& random) {
  if (random.rich && random.below(3) == 0) return rich_leaf(random);
  constexpr std::array<std::string_view, 6> orders{"<", "<=", ">", ">=", "==", "!="};
  constexpr std::array<std::string_view, 4> patterns{"a*", "*b", "ab", "a*b"};
  constexpr std::array<std::string_view, 3> texts{"\"a\"", "\"ab\"", "\"b\""};
  constexpr std::array<std::string_view, 4> names{"n", "s", "f", "t"};
  const int number = static_cast<int>(random.below(4));
  switch (random.below(19)) {
    case 0:
    case 1:
    case 2:
    case 3: return std::format("context.n {} {}", random.of(orders), number);
    case 4: return std::format("{} {} context.n", number, random.of(orders));
    case 5: return std::format("context.s == {}", random.of(texts));
    case 6: return std::format("context.s like \"{}\"", random.of(patterns));
    case 7: return std::format("[{}, {}].contains(context.s)", random.of(texts), random.of(texts));
    case 8: return "context.f";
    case 9: return std::format("context has {}", random.of(names));
    case 10: return std::format("context.t.contains({})", number);
    case 11:
      return std::format("context.t.{}([1, {}])",
                         random.below(2) == 0 ? "containsAll" : "containsAny", number);
    case 12: return "context.t.isEmpty()";
    case 13: return random.below(2) == 0 ? "principal is U" : "principal is V";
    case 14: return "principal in G::\"g\"";
    case 15: return "principal == U::\"a\"";
    case 16: return random.below(2) == 0 ? "action == Action::\"x\"" : "action in Action::\"all\"";
    case 17:
      return std::format("principal is U in {}",
                         random.below(2) == 0 ? "G::\"g\"" : "[G::\"g\", U::\"b\"]");
    default: return std::format("context.n + 1 > {}", number);
  }
}

std::string expression(Random& random, int depth) {
  const std::uint32_t choice = depth == 0 ? 9 : random.below(12);
  const auto part = [&] { return "(" + expression(random, depth - 1) + ")"; };
  switch (choice) {
    case 0:
    case 1:
    case 2: return part() + " && " + part();
    case 3:
    case 4:
    case 5: return part() + " || " + part();
    case 6: return "!" + part();
    case 7: return "if " + part() + " then " + part() + " else " + part();
    default: return leaf(random);
  }
}

std::string policy(Random& random) {
  constexpr std::array<std::string_view, 6> principals{"principal",
                                                       "principal",
                                                       "principal == U::\"a\"",
                                                       "principal in G::\"g\"",
                                                       "principal is U",
                                                       "principal is U in G::\"g\""};
  constexpr std::array<std::string_view, 5> actions{"action", "action", "action == Action::\"x\"",
                                                    "action in [Action::\"x\", Action::\"y\"]",
                                                    "action in Action::\"all\""};
  std::string text =
      std::format("{} ({}, {}, resource)", random.below(3) == 0 ? "forbid" : "permit",
                  random.of(principals), random.of(actions));
  for (std::uint32_t i = random.below(3); i > 0; --i)
    text += std::format(" {} {{ {} }}", random.below(3) == 0 ? "unless" : "when",
                        expression(random, 2));
  return text + ";\n";
}

// All requests of a small universe; with a schema only those that fit it.
class Universe {
 public:
  // `open`: the action y may lie in a group.
  Universe(bool typed, bool open) {
    for (const bool grouped : {false, true}) {
      Entities::Builder builder;
      const EntityUid group("G", "g");
      const EntityUid all("Action", "all");
      const std::span<const EntityUid> none;
      const std::span parents = grouped ? std::span(&group, 1) : none;
      builder.add({"U", "a"}, Value::empty_record(), parents);
      builder.add({"U", "b"}, Value::empty_record(), parents);
      builder.add({"V", "a"}, Value::empty_record(), typed ? none : parents);
      builder.add({"R", "r"}, Value::empty_record(), none);
      builder.add({"Action", "x"}, Value::empty_record(), std::span(&all, 1));
      builder.add({"Action", "y"}, Value::empty_record(),
                  open && grouped ? std::span(&all, 1) : none);
      builder.add(all, Value::empty_record(), none);
      auto built = builder.build();
      REQUIRE(built.has_value());
      entities_.push_back(*std::move(built));
    }
    const Value absent;
    const Value one[] = {Value::integer(1)};
    const Value two[] = {Value::integer(1), Value::integer(2)};
    std::vector<Value> numbers{Value::integer(0), Value::integer(1), Value::integer(2),
                               Value::integer(3), Value::integer(4)};
    std::vector<Value> texts{absent, Value::string("a"), Value::string("ab"), Value::string("b"),
                             Value::string("c")};
    std::vector<Value> flags{Value::boolean(true), Value::boolean(false)};
    std::vector<Value> sets{Value::empty_set(), Value::set(one, arena_), Value::set(two, arena_)};
    if (!typed) {
      numbers.insert(numbers.end(), {absent, Value::string("s")});
      flags.push_back(absent);
      sets.push_back(absent);
    }
    for (const Value& n : numbers)
      for (const Value& s : texts)
        for (const Value& f : flags)
          for (const Value& t : sets) {
            RecordBuilder record(arena_);
            for (const auto& [name, value] :
                 {std::pair("n", n), std::pair("s", s), std::pair("f", f), std::pair("t", t)})
              if (value) record.add(name, value);
            contexts_.push_back(record.finish());
          }
  }

  template <class F>
  void each(F&& visit) const {
    for (const Entities& entities : entities_)
      for (const EntityUid& principal :
           {EntityUid("U", "a"), EntityUid("U", "b"), EntityUid("V", "a")})
        for (const EntityUid& action : {EntityUid("Action", "x"), EntityUid("Action", "y")})
          for (const Value& context : contexts_)
            visit(Request{principal, action, {"R", "r"}, context}, entities);
  }

 private:
  Arena arena_;
  std::vector<Entities> entities_;
  std::vector<Value> contexts_;
};

bool holds(const Policy& policy, const Request& request, const Entities& entities, Arena& scratch) {
  scratch.reset();
  const EntityView view(entities);
  Evaluator evaluator(request, view, scratch);
  return evaluator.matches(policy) && evaluator.conditions(policy).certainly();
}

// Whether a request in which the policies hold so contradicts the claim.
bool contradicts(const Conclusion& one, const std::vector<bool>& holds, const PolicySet& policies) {
  if (!holds[one.policy] && one.claim != Claim::redundant) return false;
  const Effect effect = policies[one.policy].effect;
  const auto some = [&](Effect of) {
    for (PolicyIndex i = 0; i < policies.size(); ++i)
      if (i != one.policy && policies[i].effect == of && holds[i]) return true;
    return false;
  };
  switch (one.claim) {
    case Claim::impossible: return true;
    case Claim::shadowed:
    case Claim::overridden: return !holds[*one.other];
    case Claim::redundant: return holds[one.policy] != holds[*one.other];
    case Claim::shadowed_together: return !some(effect);
    case Claim::never_permits: return !some(Effect::forbid);
    case Claim::idle: return some(Effect::permit);
    default: return false;
  }
}

struct Tally {
  std::size_t proved = 0;
  std::size_t refuted = 0;
  std::size_t unknown = 0;
  std::size_t missed = 0;  // unknown although the universe has a request that refutes it
};

void compare(std::uint64_t seed, const Universe& universe, const Schema* schema,
             std::span<const OpenAction> open, Tally& tally, const Prover& prover = {},
             bool rich = false) {
  Random random(seed, rich);
  std::string text;
  for (std::uint32_t i = 2 + random.below(3); i > 0; --i) text += policy(random);
  CAPTURE(seed);
  CAPTURE(text);
  const auto policies = parse_policies(text);
  REQUIRE_MESSAGE(policies.has_value(), (policies ? "" : policies.error().detail));
  const AnalysisSettings settings{.schema = schema, .open = open, .samples = 200, .prover = prover};
  Analysis analysis(*policies, settings);
  const std::vector<Conclusion> conclusions = analysis.conclude();
  std::vector<bool> contradicted(conclusions.size());
  Coverage coverage(*policies);
  Arena scratch;
  std::vector<bool> now(policies->size());
  const auto hold = [&](const Request& request, const Entities& entities) {
    for (PolicyIndex i = 0; i < policies->size(); ++i)
      now[i] = holds((*policies)[i], request, entities, scratch);
  };
  universe.each([&](const Request& request, const Entities& entities) {
    hold(request, entities);
    scratch.reset();
    coverage.add(request, entities, scratch);
    for (std::size_t c = 0; c < conclusions.size(); ++c)
      if (contradicts(conclusions[c], now, *policies)) contradicted[c] = true;
  });
  for (std::size_t c = 0; c < conclusions.size(); ++c) {
    const Conclusion& one = conclusions[c];
    CAPTURE(name(one.claim));
    CAPTURE((*policies)[one.policy].id);
    CAPTURE((*policies)[one.policy].text(one.span));
    if (one.claim >= Claim::unreachable) {
      for (const ClauseCoverage& clause : coverage.policies()[one.policy].clauses) {
        const Location at = (*policies)[one.policy].locate(one.span);
        if (clause.line != at.line || clause.column != at.column) continue;
        const Outcomes& seen = clause.outcomes;
        contradicted[c] = one.claim == Claim::unreachable  ? seen.yes + seen.no + seen.failed > 0
                          : one.claim == Claim::never_true ? seen.yes > 0
                                                           : seen.no + seen.failed > 0;
      }
    }
    switch (one.verdict) {
      case Verdict::proved:
        ++tally.proved;
        CHECK_FALSE(contradicted[c]);
        break;
      case Verdict::refuted:
        ++tally.refuted;
        if (one.example == nullptr) break;
        hold(one.example->request, one.example->entities);
        CHECK(contradicts(one, now, *policies));
        break;
      case Verdict::unknown: ++tally.unknown; tally.missed += std::size_t{contradicted[c]};
    }
  }
}

// Two random sets that share some policies.
void compare_sets(std::uint64_t seed, const Universe& universe, Tally& tally) {
  Random random(seed);
  std::string texts[2];
  for (std::uint32_t i = 2 + random.below(2); i > 0; --i) {
    const std::string one = policy(random);
    const std::uint32_t where = random.below(4);
    if (where != 0) texts[0] += one;
    if (where != 1) texts[1] += one;
  }
  CAPTURE(seed);
  CAPTURE(texts[0]);
  CAPTURE(texts[1]);
  const auto before = parse_policies(texts[0]);
  const auto after = parse_policies(texts[1]);
  REQUIRE((before && after));
  Comparison comparison(*before, *after, {.samples = 200});
  Answer first;
  Answer second;
  Arena scratch;
  const auto decide = [&](const Request& request, const Entities& entities) {
    scratch.reset();
    authorize(*before, request, EntityView(entities), scratch, first);
    authorize(*after, request, EntityView(entities), scratch, second);
    const auto allowed = [](const Answer& answer) {
      return answer.decision == Decision::allow && !answer.forbid_failed;
    };
    return std::pair(allowed(first), allowed(second));
  };
  const std::vector<Difference> differences = comparison.conclude();
  std::vector<bool> seen(differences.size());
  const auto shown = [&](const Difference& one, std::pair<bool, bool> allowed) {
    const bool differs =
        one.gained ? allowed.second && !allowed.first : allowed.first && !allowed.second;
    return differs && std::ranges::contains((one.gained ? second : first).reasons, one.permit);
  };
  universe.each([&](const Request& request, const Entities& entities) {
    const auto allowed = decide(request, entities);
    if (allowed.first == allowed.second) return;
    for (std::size_t i = 0; i < differences.size(); ++i)
      if (shown(differences[i], allowed)) seen[i] = true;
  });
  for (std::size_t i = 0; i < differences.size(); ++i) {
    const Difference& one = differences[i];
    CAPTURE(one.gained);
    CAPTURE(one.permit);
    switch (one.verdict) {
      case Verdict::proved:
        ++tally.proved;
        CHECK_FALSE(seen[i]);
        break;
      case Verdict::refuted:
        ++tally.refuted;
        CHECK(shown(one, decide(one.example->request, one.example->entities)));
        break;
      case Verdict::unknown: ++tally.unknown; break;
    }
  }
}

void compare_many(std::uint64_t sets, const Schema* schema, std::span<const OpenAction> open = {}) {
  const Universe universe(schema != nullptr, !open.empty());
  Tally tally;
  for (std::uint64_t seed = 1; seed <= sets; ++seed) compare(seed, universe, schema, open, tally);
  MESSAGE(std::format("{} sets: {} proved, {} refuted, {} unknown ({} of them refutable)", sets,
                      tally.proved, tally.refuted, tally.unknown, tally.missed));
  CHECK(tally.proved > sets / 2);
  CHECK(tally.unknown * 30 < tally.proved + tally.refuted);
}

// cvc5, one process for each question; nothing where it is not installed.
Prover cvc5() {
  if (std::system("cvc5 --version >/dev/null 2>&1") != 0) return {};
  return [](const std::string& script) {
    char path[] = "/tmp/latticegate-smt-XXXXXX";
    const int file = ::mkstemp(path);
    REQUIRE(file >= 0);
    const std::string whole = script + "(check-sat)\n";
    REQUIRE(::write(file, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size()));
    ::close(file);
    FILE* const answers =
        ::popen(std::format("cvc5 --lang=smt2 --tlimit=5000 {} 2>&1", path).c_str(), "r");
    REQUIRE(answers != nullptr);
    char text[4'096] = {};
    const std::string answer(text, std::fread(text, 1, sizeof text, answers));
    ::pclose(answers);
    ::unlink(path);
    // The script must be one that the prover understands.
    CHECK_MESSAGE(!answer.contains("error"), answer << "\n" << whole);
    return answer == "unsat\n";
  };
}

constexpr std::string_view two_actions =
    "entity G; entity U in [G]; entity V; entity R; action all;\n"
    "action x in [all] appliesTo { principal: [U, V], resource: R,\n"
    "  context: { n: Long, s?: String, f: Bool, t: Set<Long> } };\n"
    "action y appliesTo { principal: [U, V], resource: R,\n"
    "  context: { n: Long, s?: String, f: Bool, t: Set<Long> } };";

}  // namespace

TEST_CASE("without a schema") { compare_many(120, nullptr); }

TEST_CASE("with a schema") {
  const auto schema = parse_schema(two_actions);
  REQUIRE(schema.has_value());
  compare_many(120, &*schema);
}

TEST_CASE("with a prover: it says more, and nothing that is wrong") {
  const auto schema = parse_schema(two_actions);
  REQUIRE(schema.has_value());
  const Prover prover = cvc5();
  if (!prover) {
    MESSAGE("skipped: cvc5 is not installed");
    return;
  }
  const Universe universe(true, false);
  const char* const wanted = std::getenv("LATTICEGATE_SETS");
  const std::uint64_t sets = wanted != nullptr ? std::stoull(wanted) : 60;
  Tally alone;
  Tally together;
  for (std::uint64_t seed = 1; seed <= sets; ++seed) {
    compare(seed, universe, &*schema, {}, alone, {}, true);
    compare(seed, universe, &*schema, {}, together, prover, true);
  }
  MESSAGE(std::format("{} sets: {} proved by cases and {} with the prover, {} and {} unknown", sets,
                      alone.proved, together.proved, alone.unknown, together.unknown));
  CHECK(together.proved > alone.proved);
  CHECK(together.unknown < alone.unknown);
}

TEST_CASE("with an action that is not declared") {
  const auto schema = parse_schema(
      "entity G; entity U in [G]; entity V; entity R; action all;\n"
      "action x in [all] appliesTo { principal: [U, V], resource: R,\n"
      "  context: { n: Long, s?: String, f: Bool, t: Set<Long> } };\n"
      "action model appliesTo { principal: [U, V], resource: R,\n"
      "  context: { n: Long, s?: String, f: Bool, t: Set<Long> } };");
  REQUIRE(schema.has_value());
  const OpenAction y{
      .uid = {"Action", "y"}, .like = schema->action({"Action", "model"}), .in = {}, .open = {}};
  compare_many(120, &*schema, {&y, 1});
}

TEST_CASE("two sets") {
  const Universe universe(false, false);
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) compare_sets(seed, universe, tally);
  MESSAGE(std::format("{} without a difference, {} with, {} unknown", tally.proved, tally.refuted,
                      tally.unknown));
  CHECK(tally.proved > 20);
  CHECK(tally.refuted > 20);
  CHECK(tally.unknown * 10 < tally.proved + tally.refuted);
}
