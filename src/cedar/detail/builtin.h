// The names that a schema does not declare: builtin types, and the words that it may not declare.
#pragma once
#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <string>
#include <string_view>

#include "cedar/type.h"

namespace latticegate::cedar {

struct Builtin {
  std::string_view name;
  Type::Kind kind;
};

inline constexpr std::array<Builtin, 7> builtins{{{"Bool", Type::Kind::boolean},
                                                  {"Long", Type::Kind::integer},
                                                  {"String", Type::Kind::string},
                                                  {"decimal", Type::Kind::decimal},
                                                  {"ipaddr", Type::Kind::ip},
                                                  {"datetime", Type::Kind::datetime},
                                                  {"duration", Type::Kind::duration}}};

inline const Type* builtin(std::string_view name) {
  const auto* const found = std::ranges::find(builtins, name, &Builtin::name);
  return found == builtins.end() ? nullptr : &type_of(found->kind);
}

// What no common type may be called.
inline constexpr std::array<std::string_view, 8> reserved_types{
    "Bool", "Boolean", "Entity", "Extension", "Long", "Record", "Set", "String"};

// `Space::name`, or the name alone outside of any namespace.
inline std::string qualified(std::string_view space, std::string_view name) {
  return space.empty() ? std::string(name) : std::format("{}::{}", space, name);
}

}  // namespace latticegate::cedar
