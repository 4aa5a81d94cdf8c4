#include "temporal/monitor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <format>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"
#include "temporal/datum.h"

using namespace latticegate;
using namespace latticegate::temporal;
using Formula = cedar::TemporalFormula;
using Term = cedar::TemporalTerm;
using cedar::Value;

namespace {

constexpr std::string_view action_type = "T::Action";
constexpr cedar::EntityUid group{action_type, "all"};

// The only condition of a policy with that body.
struct Parsed {
  explicit Parsed(std::string_view body) {
    auto read = cedar::parse_policies(
        std::format("permit (principal, action, resource) when temporal {{ {} }};", body),
        "p.cedar", cedar::Naming::by_annotation, {.temporal = true});
    REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error().detail) << ": " << body);
    set = *std::move(read);
  }
  const Formula& formula() const { return *set.policies()[0].temporal[0].formula; }
  cedar::PolicySet set;
};

// An event of a trace: whole seconds, values by path.
struct Happening {
  std::string action;
  std::string kind;
  std::int64_t at = 0;
  std::map<std::string, Value> values;
};

class TestFields final : public Fields {
 public:
  explicit TestFields(const Happening& happening) : happening_(happening) {}
  Value find(std::span<const cedar::Name> path) const override {
    std::string name;
    for (const cedar::Name& part : path) {
      if (!name.empty()) name += '.';
      name += part.text();
    }
    const auto found = happening_.values.find(name);
    return found == happening_.values.end() ? Value() : found->second;
  }

 private:
  const Happening& happening_;
};

base::Time seconds(std::int64_t count) { return base::Time(std::chrono::seconds(count)); }

void tell(State& state, const Happening& happening) {
  const TestFields fields(happening);
  state.observe({.action = {action_type, happening.action},
                 .groups = {&group, 1},
                 .kind = happening.kind,
                 .at = seconds(happening.at),
                 .fields = &fields});
}

// What is decided: who, and values of the context.
struct Asked {
  cedar::Arena arena;
  cedar::Request request;
  cedar::Entities store;
  explicit Asked(std::string_view user = "x", std::int64_t number = 1) {
    cedar::RecordBuilder input(arena);
    input.add("u", Value::string(arena.copy(user))).add("n", Value::integer(number));
    cedar::RecordBuilder context(arena);
    context.add("input", input.finish());
    request = {.principal = {"T::Agent", "me"},
               .action = {action_type, "A"},
               .resource = {"T::Tool", "tool"},
               .context = context.finish()};
  }
};

// ---- the twin: the meaning of a condition over a whole trace, by its definition. A variable
// ranges over everything of its type that occurs.

class Twin {
 public:
  Twin(std::span<const Happening> trace, const Asked& asked) : trace_(trace), asked_(asked) {}

  bool holds(const Formula& formula) { return holds(formula, trace_.size() - 1); }

 private:
  std::vector<Datum> domain(std::string_view type) const {
    std::vector<Datum> all;
    if (type == "Timepoint")
      for (std::size_t i = 0; i < trace_.size(); ++i) all.push_back(Datum::moment(i + 1));
    if (type == "Long")
      for (std::int64_t n = 0; n <= 40; ++n) all.push_back(Datum::integer(n));
    if (type == "String")
      for (const std::string_view text : {"x", "y", "z"})
        all.push_back(datum_of(Value::string(text)));
    return all;
  }

  std::optional<Datum> value(const Term& term, std::size_t i) {
    switch (term.kind) {
      case Term::Kind::literal: return datum_of(term.value);
      case Term::Kind::context: {
        Value value = asked_.request.context;
        for (const cedar::Name& name : term.path) value = value.field(name);
        return datum_of(value);
      }
      case Term::Kind::principal: return datum_of(Value::entity(&asked_.request.principal));
      case Term::Kind::resource: return datum_of(Value::entity(&asked_.request.resource));
      case Term::Kind::variable: return values_.at(std::string(term.name));
      case Term::Kind::wildcard: return std::nullopt;
      default: break;
    }
    std::int64_t count = 0;
    std::int64_t sum = 0;
    enumerate(term.domain, 0, [&] {
      if (!holds(*term.body, i)) return;
      ++count;
      if (term.kind == Term::Kind::sum) sum += values_.at(std::string(term.name)).number;
    });
    return Datum::integer(term.kind == Term::Kind::sum ? sum : count);
  }

  template <class F>
  void enumerate(std::span<const cedar::Variable> variables, std::size_t from, const F& each) {
    if (from == variables.size()) return each();
    with(variables[from], [&] {
      enumerate(variables, from + 1, each);
      return false;
    });
  }

  // Each value of the variable, until one satisfies.
  template <class F>
  bool with(const cedar::Variable& variable, const F& satisfies) {
    const std::string name(variable.name);
    const auto outer = values_.find(name);
    const std::optional<Datum> hidden =
        outer == values_.end() ? std::nullopt : std::optional(outer->second);
    bool any = false;
    for (const Datum& datum : domain(variable.type)) {
      values_.insert_or_assign(name, datum);
      if (satisfies()) {
        any = true;
        break;
      }
    }
    values_.erase(name);
    if (hidden) values_.emplace(name, *hidden);
    return any;
  }

  bool in_window(const Formula& formula, std::size_t i, std::size_t j) const {
    return trace_[i].at - trace_[j].at <= formula.seconds;
  }

  bool holds(const Formula& formula, std::size_t i) {
    using Op = Formula::Op;
    switch (formula.op) {
      case Op::conjunction:
        return std::ranges::all_of(formula.operands,
                                   [&](const Formula* part) { return holds(*part, i); });
      case Op::negation: return !holds(*formula.operands[0], i);
      case Op::formerly:
        for (std::size_t j = 0; j <= i; ++j)
          if (in_window(formula, i, j) && holds(*formula.operands[0], j)) return true;
        return false;
      case Op::previous:
        return i > 0 && in_window(formula, i, i - 1) && holds(*formula.operands[0], i - 1);
      case Op::since:
        for (std::size_t j = 0; j <= i; ++j) {
          if (!in_window(formula, i, j) || !holds(*formula.operands[1], j)) continue;
          bool held = true;
          for (std::size_t k = j + 1; k <= i; ++k) held = held && holds(*formula.operands[0], k);
          if (held) return true;
        }
        return false;
      case Op::event: return event(formula, trace_[i], i);
      case Op::comparison: {
        const auto left = value(formula.left, i);
        const auto right = value(formula.right, i);
        if (!left || !right) return false;
        if (formula.comparison == Formula::Comparison::equal) return *left == *right;
        if (left->kind != Datum::Kind::integer || right->kind != Datum::Kind::integer) return false;
        switch (formula.comparison) {
          case Formula::Comparison::less: return left->number < right->number;
          case Formula::Comparison::less_equal: return left->number <= right->number;
          case Formula::Comparison::greater: return left->number > right->number;
          default: return left->number >= right->number;
        }
      }
      case Op::exists:
        return with(formula.variable, [&] { return holds(*formula.operands[0], i); });
      case Op::moment:
        return values_.at(std::string(formula.variable.name)) == Datum::moment(i + 1);
    }
    return false;
  }

  bool event(const Formula& formula, const Happening& happening, std::size_t i) {
    if (formula.action.id() != happening.action && formula.action != group) return false;
    if (formula.kind != happening.kind) return false;
    const TestFields fields(happening);
    return std::ranges::all_of(formula.fields, [&](const cedar::FieldPattern& field) {
      const auto wanted = value(field.term, i);
      const Value found = fields.find(field.path);
      return !wanted || (found && datum_of(found) == *wanted);
    });
  }

  std::span<const Happening> trace_;
  const Asked& asked_;
  std::map<std::string, Datum> values_;
};

// ---- random conditions, as text; not all of them are accepted

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::size_t below(std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(engine_);
  }
  bool chance(std::size_t percent) { return below(100) < percent; }

  std::string condition() {
    names_ = 0;
    return conjunction(3, {});
  }

  Happening happening(std::int64_t& clock) {
    clock += static_cast<std::int64_t>(below(4));
    Happening one{.action = chance(60) ? "A" : "B",
                  .kind = chance(65) ? "request" : "response",
                  .at = clock,
                  .values = {}};
    constexpr std::array<std::string_view, 3> users{"x", "y", "z"};
    if (chance(90)) one.values["input.u"] = Value::string(users.at(below(3)));
    if (chance(90)) one.values["input.n"] = Value::integer(static_cast<std::int64_t>(below(4)));
    return one;
  }

 private:
  struct Variable {
    std::string name;
    char type;  // U string, N Long, T Timepoint
  };
  using Scope = std::vector<Variable>;

  std::string fresh() { return std::format("v{}", names_++); }
  std::string window() { return std::format(" within {}s ", 1 + below(6)); }

  std::string term(char type, const Scope& scope) {
    Scope fitting;
    for (const Variable& variable : scope)
      if (variable.type == type) fitting.push_back(variable);
    if (!fitting.empty() && chance(60)) return fitting[below(fitting.size())].name;
    if (chance(35)) return type == 'U' ? "context.input.u" : "context.input.n";
    if (type == 'U') return chance(50) ? "\"x\"" : "\"y\"";
    return std::to_string(below(4));
  }

  std::string event(const Scope& scope) {
    std::string text = std::format("T::Action::\"{}\"::{}{{",
                                   chance(15)   ? "all"
                                   : chance(60) ? "A"
                                                : "B",
                                   chance(65) ? "request" : "response");
    const bool user = chance(65);
    if (user) text += "input.u: " + (chance(10) ? std::string("_") : term('U', scope));
    if (chance(50)) text += (user ? ", input.n: " : "input.n: ") + term('N', scope);
    return text + "}";
  }

  std::string comparison(const Scope& scope) {
    constexpr std::array<std::string_view, 5> symbols{" == ", " < ", " <= ", " > ", " >= "};
    return term('N', scope) + std::string(symbols.at(below(5))) + term('N', scope);
  }

  std::string conjunction(int depth, const Scope& scope) {
    std::string text = one(depth, scope);
    while (chance(35)) text += " && " + one(depth, scope);
    return text;
  }

  // A body for an operator: an event and what may stand beside it.
  std::string body(int depth, const Scope& scope) {
    if (depth <= 0 || chance(60)) {
      std::string text = event(scope);
      for (const Variable& variable : scope)
        if (variable.type == 'T' && chance(60)) text += std::format(" && tp({})", variable.name);
      if (chance(25)) text += " && " + comparison(scope);
      if (chance(10)) text += " && !(" + comparison(scope) + ")";
      return "(" + text + ")";
    }
    return "(" + conjunction(depth - 1, scope) + ")";
  }

  std::string one(int depth, const Scope& scope) {
    if (depth <= 0) return chance(70) ? event(scope) : comparison(scope);
    switch (below(13)) {
      case 0: return event(scope);
      case 1: return comparison(scope);
      case 2:
      case 3: return "formerly" + window() + body(depth - 1, scope);
      case 4: return "previous" + window() + body(depth - 1, scope);
      case 5: return "!" + body(depth - 1, scope) + " since" + window() + body(depth - 1, scope);
      case 6: return body(depth - 1, scope) + " since" + window() + body(depth - 1, scope);
      case 7: return "!(" + one(depth - 1, scope) + ")";
      case 8:
      case 9: {
        const char type = chance(50) ? 'U' : 'N';
        Scope inner = scope;
        inner.push_back({fresh(), type});
        return std::format("(exists ({}: {}). ({}))", inner.back().name,
                           type == 'U' ? "String" : "Long", conjunction(depth - 1, inner));
      }
      default: return aggregate(depth, scope);
    }
  }

  std::string aggregate(int depth, const Scope& scope) {
    Scope inner = scope;
    std::string list;
    const bool sum = chance(50);
    const std::string value = fresh();
    if (sum || chance(40)) {
      inner.push_back({value, 'N'});
      list = std::format("({}: Long)", value);
    }
    if (list.empty() || chance(50)) {
      inner.push_back({fresh(), 'T'});
      list += std::format("{}({}: Timepoint)", list.empty() ? "" : ", ", inner.back().name);
    }
    const bool summed = inner.size() > scope.size() && sum;
    const std::string where =
        chance(80) ? "formerly" + window() + body(depth - 1, inner) : conjunction(depth - 1, inner);
    const std::string text = std::format("({} {}for {}. where ({}))", summed ? "sum" : "count",
                                         summed ? value + " " : "", list, where);
    if (chance(50)) return std::format("{} > {}", text, below(4));
    const std::string total = fresh();
    return std::format("(exists ({0}: Long). ({1} == {0} && {0} > {2}))", total, text, below(4));
  }

  std::mt19937 engine_;
  std::size_t names_ = 0;
};

std::shared_ptr<const Condition> compiled(const Parsed& parsed) {
  auto made = Condition::compile(parsed.formula());
  REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().message));
  return *std::move(made);
}

State watching(std::string_view body, const Limits& limits = {}) {
  const Parsed parsed(body);
  State state(limits);
  state.attend(std::make_shared<const Monitor>(
      std::vector<std::shared_ptr<const Condition>>{compiled(parsed)}));
  return state;
}

std::string answer(State& state, const Asked& asked) {
  const auto held = state.holds(0, asked.request, cedar::EntityView(asked.store));
  return !held ? "?" : *held ? "yes" : "no";
}

Happening call(std::string_view action, std::string_view kind, std::int64_t at,
               std::string_view user = "x", std::int64_t number = 1) {
  return {.action = std::string(action),
          .kind = std::string(kind),
          .at = at,
          .values = {{"input.u", Value::string(user)}, {"input.n", Value::integer(number)}}};
}

}  // namespace

TEST_CASE("the monitor says of random conditions and traces what their definition says") {
  std::size_t rounds = 1'500;
  if (const char* const wish = std::getenv("LATTICEGATE_TEMPORAL_ROUNDS"))
    rounds = static_cast<std::size_t>(std::atoll(wish));
  std::size_t accepted = 0;
  std::size_t by_definition = 0;
  std::size_t true_answers = 0;
  std::size_t answers = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    Random random(static_cast<std::uint32_t>(round) + 1);
    const std::string text = random.condition();
    const Parsed parsed(text);
    const auto condition = Condition::compile(parsed.formula());
    if (!condition) continue;
    ++accepted;
    by_definition += (*condition)->keeps_events() ? 1U : 0U;
    // The same condition again from its own text.
    const Parsed again((*condition)->text());
    REQUIRE(cedar::print(again.formula()) == (*condition)->text());

    const auto monitor = std::make_shared<const Monitor>(std::vector{*condition});
    State state({});
    state.attend(monitor);
    std::vector<Happening> trace;
    std::int64_t clock = 100;
    const std::size_t restart = random.below(12);
    for (std::size_t i = 0; i < 12; ++i) {
      if (i == restart) {
        State next({});
        REQUIRE(next.load(state.save()).has_value());
        next.attend(monitor);
        state = std::move(next);
      }
      trace.push_back(random.happening(clock));
      tell(state, trace.back());
      const Asked asked(random.chance(50) ? "x" : "y", static_cast<std::int64_t>(random.below(4)));
      const auto held = state.holds(0, asked.request, cedar::EntityView(asked.store));
      const bool expected = Twin(trace, asked).holds(parsed.formula());
      ++answers;
      true_answers += expected ? 1U : 0U;
      INFO("round ", round, " event ", i, " restart ", restart, ": ", text);
      REQUIRE(held.has_value());
      REQUIRE(*held == expected);
    }
  }
  MESSAGE(accepted, " conditions accepted of ", rounds, ", ", by_definition,
          " of them by definition; ", true_answers, " of ", answers, " answers are yes");
  CHECK(accepted > rounds / 10);
}

TEST_CASE("windows are closed, and time does not run back") {
  State state = watching("formerly within 10s T::Action::\"A\"::request{}");
  const Asked asked;
  tell(state, call("A", "request", 100));
  tell(state, call("B", "request", 110));
  CHECK(answer(state, asked) == "yes");
  tell(state, call("B", "request", 105));  // counts as 110
  CHECK(answer(state, asked) == "yes");
  tell(state, call("B", "request", 111));
  CHECK(answer(state, asked) == "no");
}

TEST_CASE("a value of the request that is not there is no answer") {
  State state =
      watching("!(formerly within 10s T::Action::\"A\"::request{input.u: context.input.z})");
  tell(state, call("A", "request", 100));
  CHECK(answer(state, Asked()) == "?");
}

TEST_CASE("an event with an unknown value leaves no answer until it is out of the window") {
  State state = watching("formerly within 10s T::Action::\"A\"::request{input.u: \"x\"}");
  const Asked asked;
  Happening odd = call("A", "request", 100);
  odd.values["input.u"] = Value::unknown();
  tell(state, odd);
  CHECK(answer(state, asked) == "?");
  tell(state, call("B", "request", 110));
  CHECK(answer(state, asked) == "?");
  tell(state, call("B", "request", 111));
  CHECK(answer(state, asked) == "no");
}

TEST_CASE("what does not fit leaves no answer until it is out of the window") {
  for (const std::string_view body :
       {"exists (n: Long). ((count for (t: Timepoint). where (formerly within 10s "
        "(T::Action::\"A\"::request{} && tp(t)))) == n && n > 1000000)",
        "formerly within 10s T::Action::\"A\"::request{input.n: context.input.n, input.u: "
        "\"none\"}",
        "formerly within 5s (T::Action::\"A\"::request{} && formerly within 5s "
        "T::Action::\"B\"::request{input.u: \"none\"})"}) {
    State state = watching(body, {.size = base::Bytes{8'192}, .budget = nullptr});
    const bool keyed = body.starts_with("formerly within 10s");
    for (std::int64_t i = 0; i < 200; ++i) {
      Happening one = call("A", "request", 100, keyed ? "none" : "x", i);
      tell(state, one);
      CHECK(state.size() <= 8'192);
    }
    CHECK_MESSAGE(answer(state, Asked("x", 500)) == "?", body);
    tell(state, call("B", "response", 111));
    CHECK_MESSAGE(answer(state, Asked("x", 500)) == "no", body);
    CHECK(state.idle(seconds(200)));
  }
}

TEST_CASE("states share a budget and give it back") {
  Budget budget{.limit = 6'000};
  const std::string_view body =
      "(count for (t: Timepoint). where (formerly within 10s (T::Action::\"A\"::request{} && "
      "tp(t)))) > 5";
  {
    State first = watching(body, {.budget = &budget});
    State second = watching(body, {.budget = &budget});
    for (std::int64_t i = 0; i < 100; ++i) tell(first, call("A", "request", 100));
    tell(second, call("A", "request", 100));
    CHECK(budget.used > 0);
    CHECK(budget.used <= budget.limit);
    CHECK(answer(second, Asked()) == "?");
    tell(first, call("A", "request", 120));
    CHECK(answer(first, Asked()) == "no");
  }
  CHECK(budget.used == 0);
}

TEST_CASE("a state that was lost has no answer for the window") {
  State state = watching("formerly within 10s T::Action::\"A\"::request{}");
  state.lost(seconds(100));
  tell(state, call("A", "request", 101));
  CHECK(answer(state, Asked()) == "?");
  tell(state, call("B", "request", 111));
  CHECK(answer(state, Asked()) == "yes");
}

TEST_CASE("what is no history is refused, and a damaged one leaves no answer") {
  State state({});
  CHECK_FALSE(state.load("no").has_value());
  CHECK_FALSE(state.load("{}").has_value());
  CHECK_FALSE(state.load("{\"version\":2}").has_value());

  State good = watching("formerly within 10s T::Action::\"A\"::request{}");
  tell(good, call("A", "request", 100));
  std::string text = good.save();
  const std::size_t row = text.find("[[[");
  REQUIRE(row != std::string::npos);
  text.replace(row, 3, "[[7,[");
  const Parsed parsed("formerly within 10s T::Action::\"A\"::request{}");
  State damaged({});
  REQUIRE(damaged.load(text).has_value());
  damaged.attend(std::make_shared<const Monitor>(std::vector{compiled(parsed)}));
  tell(damaged, call("B", "request", 101));
  CHECK(answer(damaged, Asked()) == "?");
}

TEST_CASE("a condition that stays keeps its history when the others change") {
  const std::string first = "formerly within 10s T::Action::\"A\"::request{}";
  const std::string second = "formerly within 20s T::Action::\"A\"::request{}";
  State state = watching(first);
  tell(state, call("A", "request", 100));
  const Parsed one(second);
  const Parsed two(first);
  state.attend(std::make_shared<const Monitor>(std::vector{compiled(one), compiled(two)}));
  tell(state, call("B", "request", 101));
  const Asked asked;
  const cedar::EntityView none(asked.store);
  CHECK(state.holds(0, asked.request, none) == false);
  CHECK(state.holds(1, asked.request, none) == true);
}

TEST_CASE("a question that takes too many steps has no answer") {
  // Three events in a row, by the definition, over some hundred events.
  State state = watching(
      "formerly within 100s (T::Action::\"A\"::request{} && formerly within 100s "
      "(T::Action::\"A\"::request{} && formerly within 100s T::Action::\"B\"::response{}))",
      {.size = base::Bytes{1'000'000}, .budget = nullptr});
  for (std::int64_t i = 0; i < 300; ++i) tell(state, call("A", "request", 100));
  CHECK(answer(state, Asked()) == "?");
}

TEST_CASE("long texts are equal to themselves only") {
  const std::string first(1'000, 'a');
  const std::string second = first.substr(1) + "b";
  State state = watching("formerly within 10s T::Action::\"A\"::request{input.u: context.input.u}");
  tell(state, call("A", "request", 100, first));
  CHECK(answer(state, Asked(first)) == "yes");
  CHECK(answer(state, Asked(second)) == "no");
  CHECK(state.size() < 1'000);
}
