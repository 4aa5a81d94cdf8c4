// Type: what a schema says of a value, and what the validator knows of an expression.
//
// Immutable and a view: its parts live in the Schema or the Arena that made it; types share parts,
// so copying a Type copies a few words. The types of a schema nest at most `deepest_type` levels,
// common types written out; those of expressions, by max_nesting more: walking them recursively is
// safe.
//
// Two rules for what counts as a subtype. Strict is what policies are held to: records have the
// same attributes, equally required, and entity types do not mix. Permissive knows unions of entity
// types and records with further attributes; it exists to be compared with.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cedar/arena.h"

namespace latticegate::cedar {

inline constexpr std::uint32_t deepest_type = 128;

enum class Strictness : std::uint8_t { strict, permissive };

struct TypeAttribute;

struct Type {
  enum class Kind : std::uint8_t {
    never,    // of no value: the elements of an empty set literal
    boolean,  // either
    always,   // a boolean that is true whatever the request
    nowise,   // a boolean that is false whatever the request
    integer,
    string,
    decimal,
    ip,
    datetime,
    duration,
    entity,      // of one of `names`
    any_entity,  // of any type
    set,
    record,
  };
  Kind kind = Kind::never;
  bool open = false;                            // record: there may be further attributes
  const Type* element = nullptr;                // set; null for a set of anything
  std::span<const std::string_view> names{};    // entity: sorted; several only in permissive mode
  std::span<const TypeAttribute> attributes{};  // record: sorted by name

  bool is(Kind other) const { return kind == other; }
  bool is_boolean() const {
    return kind == Kind::boolean || kind == Kind::always || kind == Kind::nowise;
  }
  bool is_entity() const { return kind == Kind::entity || kind == Kind::any_entity; }
  // The attribute of a record; null when it is not listed.
  const TypeAttribute* attribute(std::string_view name) const;
};

struct TypeAttribute {
  std::string_view name;
  const Type* type = nullptr;
  bool required = true;
};

// The types without parts.
const Type& type_of(Type::Kind kind);

bool same(const Type& a, const Type& b);
bool is_subtype(const Type& lower, const Type& upper, Strictness mode);
// The narrowest type that both are subtypes of; null when there is none. New parts lie in the
// arena.
const Type* least_upper_bound(const Type& a, const Type& b, Strictness mode, Arena& arena);
// Whether certainly no value has both types.
bool disjoint(const Type& a, const Type& b);

// As a schema writes it where it can: `Long`, `Set<Mcp::User>`, `{a: Long, b?: String}`. Cut to
// about 200 bytes: it goes into messages.
std::string to_text(const Type& type);

}  // namespace latticegate::cedar
