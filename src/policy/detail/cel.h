// The part of CEL that authorization rules are written in: operators, literals, paths, calls. What
// else there is is an error of the parse, and the rule is then not carried over.
//
// Limits: 64 KiB of text, 64 levels.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latticegate::policy {

struct Cel {
  enum class Kind : std::uint8_t {
    text,     // name: the literal
    integer,  // number
    boolean,  // number: 0 or 1
    null,
    path,  // words: a.b["c"]
    list,  // parts
    call,  // name, parts: the receiver first, if `method`
    all,   // parts: &&
    any,   // ||
    negation,
    equal,  // two parts, as for the following
    unequal,
    less,
    less_equal,
    greater,
    greater_equal,
    in,
    other,  // understood as to its shape only; name: its source
  };
  Kind kind = Kind::other;
  bool method = false;
  std::int64_t number = 0;
  std::string name{};
  std::vector<std::string> words{};
  std::vector<Cel> parts{};
  std::string_view source{};  // of the whole, a view into the text
};

[[nodiscard]] base::Result<Cel> parse_cel(std::string_view text);

}  // namespace latticegate::policy
