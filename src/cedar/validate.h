// Whether policies make sense under a schema, before any request: each policy is type-checked for
// every kind of request that it may be asked about (action, type of principal, type of resource).
//
// Rules as in Cedar 4.13: strict mode (one type per set, per pair of branches and per comparison;
// no empty set literal; constructors of decimals, addresses and times only on literals), an
// optional attribute or tag only behind the test that it is there. What a valid policy can still
// fail by at run time is a missing entity, an overflow, or a bad text given to a constructor.
//
// Pure; the cost is that of the policies times the kinds of requests that their action scope
// admits. Findings are few words with a place: show them to whoever writes policies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/type.h"

namespace latticegate::cedar {

enum class Problem : std::uint8_t {
  // errors
  unknown_entity_type,  // not declared
  unknown_action,
  unknown_id,  // not one of the ids of an enumerated type
  unexpected_type,
  incompatible_types,  // of two things that need one type
  no_attribute,
  optional_attribute,  // read without a test that it is there
  unsafe_tag,          // the same for a tag
  no_tags,             // entities of that type have none
  empty_set,
  computed_constructor,  // decimal(x) with x not a literal
  bad_literal,           // decimal("x")
  arity,
  level,        // reads more entities in a row than allowed
  too_complex,  // beyond our limits
  // warnings
  no_applicable_action,  // no action applies to what the scope admits
  impossible,            // never true for any request that fits the schema
  mixed_scripts,         // a text or name with letters of several scripts
  bidirectional,         // a text or name with characters that turn the direction of writing
  unusual_identifier,    // a name with a character that is not usual in names
};
// "optional_attribute", for machines.
std::string_view name(Problem problem);
bool is_error(Problem problem);

struct Finding {
  Problem problem{};
  const Policy* policy = nullptr;  // in the set that was validated
  Span span;                       // in its text
  std::string message;
  std::string environment;  // the first kind of request for which it holds; "" if not of one
};
// "file:line:column: policy `id`: message (for User, Action::"view", Doc)".
std::string describe(const Finding& finding);

struct ValidationSettings {
  Strictness mode = Strictness::strict;
  // How many entities in a row a policy may read: `principal.owner.team` is two levels. Nothing:
  // any number.
  std::optional<std::uint32_t> level;
  bool texts = true;  // look for mixed scripts and the like
};

struct Validation {
  std::vector<Finding> findings;  // by policy, in the order of the set: policies, then templates
  bool valid() const;             // without errors; there may be warnings
};

// Policies and templates. A link is held to its template, whose findings it does not repeat; what
// fills its slots is checked.
Validation validate(const PolicySet& policies, const Schema& schema,
                    const ValidationSettings& settings = {});
Validation validate(const Policy& policy, const Schema& schema,
                    const ValidationSettings& settings = {});

}  // namespace latticegate::cedar
