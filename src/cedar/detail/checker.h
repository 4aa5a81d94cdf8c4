// The type checker: one policy under one kind of request.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cedar/arena.h"
#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/type.h"
#include "cedar/validate.h"

namespace latticegate::cedar {

// A kind of request, and for a template the types of what its slots are filled with.
struct Environment {
  const SchemaAction* action = nullptr;
  std::string_view principal;
  std::string_view resource;
  const Type* principal_slot = nullptr;
  const Type* resource_slot = nullptr;
};

// What a condition that is true says: the attribute (or the tag) of that expression is there.
struct Capability {
  const Expression* of = nullptr;
  std::string_view attribute;
  const Expression* tag = nullptr;  // when it is about a tag
};
using Capabilities = std::vector<Capability>;

// The type of each expression that was looked at.
using TypeMap = std::unordered_map<const Expression*, const Type*>;

class Checker {
 public:
  using Report = std::function<void(Problem, Span, std::string)>;
  enum class Outcome : std::uint8_t {
    possible,  // it can be true
    never,     // it is false for all requests of this kind
    failing,
  };

  // All arguments outlive it; derived types lie in the arena. `types` may be null.
  Checker(const Schema& schema, const Environment& environment, Strictness mode, Arena& arena,
          Report report, TypeMap* types = nullptr);

  // The scope and all conditions.
  Outcome check(const Policy& policy);

  // The type of an attribute of a record or entity, and whether it is required; null when there
  // is none, or for an entity of any type.
  const TypeAttribute* attribute_of(const Type& type, std::string_view name);

 private:
  // A type may be known although something in the expression failed; `type` is null when it is not.
  struct Answer {
    const Type* type = nullptr;
    bool ok = true;
    Capabilities capabilities;
    bool is(Type::Kind kind) const { return type != nullptr && type->is(kind); }
  };
  class Conjunction;
  using Wanted = std::initializer_list<const Type*>;

  static Answer plain(Type::Kind kind, bool ok = true) { return {&type_of(kind), ok, {}}; }
  static Answer truth(bool value) { return plain(value ? Type::Kind::always : Type::Kind::nowise); }
  static Answer failed(const Type* type = nullptr) { return {type, false, {}}; }
  void fail(Problem problem, Span span, std::string message);

  // Scopes.
  Answer scope(const ScopeConstraint& constraint, const Type& variable, const Type* slot);
  Answer scope_equal(const ScopeConstraint& constraint, const Type& variable, const Type* slot);
  Answer scope_in(const ScopeConstraint& constraint, const Type& variable, const Type* slot);
  Answer action_scope(const ScopeConstraint& constraint);

  // Expressions.
  Answer typed(const Expression& expression);
  Answer typed_inside(const Expression& expression);
  Answer expect(const Expression& expression, Wanted wanted);
  Answer literal(const Value& value);
  Answer conditional(const Expression& expression);
  Answer conjunction(const Expression& expression);
  Answer disjunction(const Expression& expression);
  Answer negation(const Expression& expression);
  Answer numbers(const Expression& expression);
  Answer order(const Expression& expression);
  Answer equality(const Expression& expression);
  Answer membership(const Expression& left, const Answer& lower, const Expression& right);
  Answer is(const Answer& entity, std::string_view type);
  Answer is_in(const Expression& expression);
  Answer has(const Expression& expression);
  Answer attribute(const Expression& expression);
  Answer contains(const Expression& expression);
  Answer contains_many(const Expression& expression);
  Answer tag(const Expression& expression);
  Answer set(const Expression& expression);
  Answer record(const Expression& expression);
  Answer extension(const Expression& expression);
  bool constructor_is_sound(const Expression& expression);

  // Questions about types.
  const Type* literal_type(const EntityUid& uid) const;
  bool may_have(const Type& type, std::string_view attribute) const;
  std::vector<const Type*> tag_types(const Type& type) const;
  bool may_be_in(std::string_view lower, std::string_view upper) const;
  bool any_may_be_in(const Type& lower, const Type& upper) const;
  Answer compatible(Answer answer, const Expression& whole, const Type* a, const Type* b);
  std::optional<EntityUid> literal_uid(const Expression& expression) const;
  std::optional<std::vector<EntityUid>> literal_uids(const Expression& expression) const;
  std::optional<Value> literal_value(const Expression& expression) const;

  // Capabilities.
  bool knows(const Expression& of, std::string_view attribute) const;
  bool knows_tag(const Expression& of, const Expression& tag) const;
  static Capabilities common(const Capabilities& a, const Capabilities& b);

  const Schema& schema_;
  const Environment& environment_;
  Strictness mode_;
  Arena& arena_;
  Report report_;
  TypeMap* types_;
  std::vector<Capability> known_;  // what holds where the checker stands
  const Type* principal_;
  const Type* resource_;
  bool too_complex_ = false;
};

}  // namespace latticegate::cedar
