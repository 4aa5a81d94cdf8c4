// What can be said of policies before any request, without a solver: policies that can never hold,
// that say nothing that others do not say, that others always overrule; clauses that make no
// difference.
//
// Each claim is proved, refuted by an example, or unknown. Proofs are by cases: conditions are
// taken apart into statements about one attribute each (order, equality, membership, presence,
// patterns), and no case may be left over; of everything else nothing is assumed, so a proof holds
// whatever it turns out to be. Examples are built from the constants that the policies name, and
// the evaluator has confirmed each.
//
// What requests there are: with a schema, those that fit it, in which principal and resource exist
// (other entities may be missing); and those with the open actions of the settings. Without one,
// any request in which principal and resource exist. A policy that fails does not hold.
//
// Pure; deterministic. Cost grows with the square of the number of policies; each question has a
// budget of steps, after which the answer is `unknown`.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/entity.h"
#include "cedar/evaluate.h"
#include "cedar/policy_set.h"
#include "cedar/schema.h"

namespace latticegate::cedar {

// An action that may exist although the schema does not have it: like another one, but it may also
// lie in further groups, and its context has a record `open` of which nothing is known.
struct OpenAction {
  EntityUid uid;
  const SchemaAction* like = nullptr;  // of the schema
  std::vector<EntityUid> in;           // groups that it certainly lies in
  std::string_view open;               // "" for none
};

// Another prover, for what the cases leave open: whether it has shown that a script in SMT-LIB 2.6,
// which does not end with (check-sat), cannot be satisfied. False: it can, or nobody knows.
using Prover = std::function<bool(const std::string& script)>;

struct AnalysisSettings {
  const Schema* schema = nullptr;  // null: nothing is known of types
  std::span<const OpenAction> open{};
  std::uint32_t steps = 4'000;    // of one proof
  std::uint32_t samples = 3'000;  // requests that are tried first
  Prover prover{};                // empty: none; without a schema it is not asked
};

enum class Claim : std::uint8_t {
  impossible,         // `policy` never holds
  shadowed,           // whenever `policy` holds, `other`, of the same effect, holds
  redundant,          // each holds when the other holds
  overridden,         // whenever the permit `policy` holds, the forbid `other` holds
  shadowed_together,  // whenever `policy` holds, some other of the same effect holds
  never_permits,      // whenever the permit holds, some forbid holds
  idle,               // the forbid holds only where no permit does
  unreachable,        // evaluation never comes to the clause
  never_true,         // the clause is false or fails whenever evaluation comes to it
  always_true,        // the clause is true whenever evaluation comes to it
};
std::string_view name(Claim claim);

enum class Verdict : std::uint8_t { proved, refuted, unknown };
std::string_view name(Verdict verdict);

// A request that stands for itself; views into the Analysis.
struct Example {
  Request request;
  Entities entities;
};
// As an object in the format of policy tests (policy/test_run.h), without its name and decision:
// `"request": {...}, "entities": [...]`.
std::string to_json(const Example& example);

struct Conclusion {
  Claim claim{};
  Verdict verdict{};
  PolicyIndex policy = 0;
  std::optional<PolicyIndex> other;
  Span span{};                       // of the policy, or of the clause
  const Example* example = nullptr;  // refuted
};

class Analysis {
 public:
  // The policies, and what the settings point to, outlive it.
  Analysis(const PolicySet& policies, const AnalysisSettings& settings);
  Analysis(Analysis&&) noexcept;
  Analysis& operator=(Analysis&&) noexcept;
  Analysis(const Analysis&) = delete;
  Analysis& operator=(const Analysis&) = delete;
  ~Analysis();

  // Everything that can be asked: claims about a policy before claims about pairs with it. Of a
  // policy that never holds nothing else is asked; of a pair that is redundant no more.
  std::vector<Conclusion> conclude();

 private:
  struct State;
  class Session;
  std::unique_ptr<State> state_;
};

// Two sets, an old and a new one: what is allowed by one of them only. Allowed is what a permit
// holds for and no forbid holds or fails for.
struct Difference {
  bool gained = false;     // by the new set; otherwise lost
  PolicyIndex permit = 0;  // that allows: of the new set when gained, else of the old one
  std::optional<PolicyIndex> forbid;  // of the other set, that holds or fails; nothing: no permit
                                      // of it holds
  Verdict verdict{};  // of the claim that the permit makes no difference; refuted by the example
  const Example* example = nullptr;
};

class Comparison {
 public:
  // What is pointed to outlives it.
  Comparison(const PolicySet& old_policies, const PolicySet& new_policies,
             const AnalysisSettings& settings);
  Comparison(Comparison&&) noexcept;
  Comparison& operator=(Comparison&&) noexcept;
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;
  ~Comparison();

  // One for each permit of the new set, then one for each of the old.
  std::vector<Difference> conclude();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latticegate::cedar
