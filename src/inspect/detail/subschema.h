// A schema as the validator runs it: subschemas in one list that name each other by index. Made by
// schema_compile.cc, run by schema.cc; nobody else includes it.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inspect/pattern.h"
#include "inspect/schema.h"
#include "json/value.h"

namespace latticegate::inspect {

inline constexpr std::uint32_t none = 0xFFFFFFFFU;  // no subschema

enum SchemaType : std::uint8_t {
  type_null = 1,
  type_boolean = 2,
  type_object = 4,
  type_array = 8,
  type_number = 16,
  type_string = 32,
  type_integer = 64,
};
struct SchemaTypeName {
  std::string_view word;
  SchemaType bit;
  std::string_view phrase;
};
inline constexpr auto types =
    std::to_array<SchemaTypeName>({{"null", type_null, "null"},
                                   {"boolean", type_boolean, "true or false"},
                                   {"object", type_object, "an object"},
                                   {"array", type_array, "an array"},
                                   {"number", type_number, "a number"},
                                   {"string", type_string, "a string"},
                                   {"integer", type_integer, "a whole number"}});

struct Named {
  std::string_view name;
  std::uint32_t schema = none;
};
struct Matched {
  Pattern pattern;
  std::uint32_t schema = none;
};
struct Dependency {
  std::string_view name;
  std::vector<std::string_view> required;
  std::uint32_t schema = none;
};
struct TextRule {
  Pattern pattern;
  std::string words;  // what the text must be
};

struct Subschema {
  bool never = false;      // the schema false
  std::uint8_t types = 0;  // 0: any
  std::vector<json::Value> allowed;
  bool has_allowed = false;
  json::Value constant;
  json::Value minimum, maximum, above, below, multiple;
  std::optional<std::uint64_t> min_length, max_length, min_items, max_items, min_properties,
      max_properties, min_contains, max_contains;
  std::vector<TextRule> texts;
  bool unique = false;
  std::vector<std::uint32_t> prefix;
  std::uint32_t items = none;  // behind the prefix
  std::uint32_t contains = none;
  std::vector<std::string_view> required;
  std::vector<Named> properties;
  std::vector<Matched> patterns;
  std::uint32_t additional = none;
  std::uint32_t names = none;
  std::vector<Dependency> dependencies;
  std::vector<std::uint32_t> all_of, any_of, one_of;
  std::uint32_t negated = none;
  std::uint32_t condition = none, then = none, otherwise = none;
  std::uint32_t reference = none;
};

// Fills `out` from the schema, the root first, and `unchecked` with what the validator will not
// check. The views in `out` point into the document of `root`.
[[nodiscard]] base::Result<void> compile_subschemas(json::Value root, const SchemaLimits& limits,
                                                    std::vector<Subschema>& out,
                                                    std::vector<std::string>& unchecked);

// Appends "/key" as RFC 6901 writes it.
void escape_segment(std::string_view key, std::string& out);
// A value as it may stand in a sentence: short, printable.
std::string shown(json::Value value);

}  // namespace latticegate::inspect
