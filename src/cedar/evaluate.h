// The tree-walking evaluator: what an expression or a policy is worth for one request. Pure; stays
// for ever as the plain twin that the compiled evaluator is compared with.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "cedar/arena.h"
#include "cedar/entity.h"
#include "cedar/expression.h"
#include "cedar/policy_set.h"
#include "cedar/value.h"

namespace latticegate::cedar {

// One question. A view of everything in it; `context` is a record.
struct Request {
  EntityUid principal;
  EntityUid action;
  EntityUid resource;
  Value context = Value::empty_record();
};

// Why an evaluation failed.
enum class ErrorClass : std::uint8_t {
  type,        // an operand of the wrong kind
  attribute,   // the record or entity does not have the attribute
  entity,      // the entity does not exist
  tag,         // the entity does not have the tag
  arithmetic,  // overflow
  extension,   // not a well-formed decimal, address, time or duration
  arity,       // wrong number of arguments to an extension function
};
std::string_view name(ErrorClass error);

struct EvaluationError {
  ErrorClass error{};
  const Expression* where = nullptr;
  std::string message{};  // for the operator; may quote values
};

// What is possible for a boolean when some values are unknown; with none unknown exactly one of the
// three is set.
struct Possible {
  bool yes = false;
  bool no = false;
  bool error = false;
  bool certainly() const { return yes && !no && !error; }
};

class Evaluator {
 public:
  // All arguments must outlive it. `scratch` takes temporaries. `three_valued`: the request or the
  // entities contain Value::unknown().
  Evaluator(const Request& request, const EntityView& entities, Arena& scratch,
            bool three_valued = false);

  // The value of an expression; no value (Kind::none) when it failed, and error() then says why.
  Value evaluate(const Expression& expression);
  const EvaluationError& error() const { return error_; }

  // Whether the scope of a policy matches. Cannot fail.
  bool matches(const Policy& policy) const;
  bool matches(const ScopeConstraint& constraint, const EntityUid& uid, const Entity* entity) const;
  // Whether all conditions of a policy hold (its scope is not looked at).
  Possible conditions(const Policy& policy);

  const Entity* principal() const { return principal_; }
  const Entity* action() const { return action_; }
  const Entity* resource() const { return resource_; }
  const Request& request() const { return request_; }
  const EntityView& entities() const { return entities_; }

 private:
  Possible possible(const Value& value, const Expression& where);
  static Value undecided(const Possible& possible);
  Value chain(const Expression& expression);
  Value conditional(const Expression& expression);
  Value arithmetic(const Expression& expression);
  Value compare(const Expression& expression);
  Value membership(const Value& left, const Expression& right, const Expression& whole);
  Value has(const Expression& expression);
  Value attribute(const Expression& expression);
  Value tag(const Expression& expression);
  Value sets(const Expression& expression);
  Value aggregate(const Expression& expression);
  Value extension(const Expression& expression);
  Value equal(const Expression& expression);
  const Entity* look_up(const EntityUid& uid) const;
  Value fail(ErrorClass error, const Expression& where, std::string message);
  Value mistyped(const Value& found, std::string_view expected, const Expression& where);

  const Request& request_;
  const EntityView& entities_;
  Arena& scratch_;
  const Entity* principal_;
  const Entity* action_;
  const Entity* resource_;
  bool three_valued_;
  EvaluationError error_;
};

}  // namespace latticegate::cedar
