// Datum: a value as history keeps it: small, owning, compared and never computed with.
//
// Texts above 64 bytes are kept as their SHA-256, so that memory does not grow with what callers
// send; equality stays exact for all purposes. Sets and records are kept as their text. Only
// integers are ordered.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "cedar/value.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::temporal {

inline constexpr std::size_t longest_text = 64;

struct Datum {
  enum class Kind : std::uint8_t {
    boolean,
    integer,
    string,
    entity,
    decimal,
    datetime,
    duration,
    ip,
    compound,  // set or record
    moment,    // number of an event
  };
  Kind kind = Kind::boolean;
  bool digest = false;  // text is the hash, in hexadecimal
  std::int64_t number = 0;
  std::string text{};

  bool operator==(const Datum&) const = default;
  static Datum moment(std::uint64_t number) {
    return {.kind = Kind::moment, .number = static_cast<std::int64_t>(number)};
  }
  static Datum integer(std::int64_t number) { return {.kind = Kind::integer, .number = number}; }
};

// Of any value but none and unknown.
Datum datum_of(const cedar::Value& value);

// Appends the datum in a form that no two data share, nor two rows of data.
void append(const Datum& datum, std::string& key);

void write(const Datum& datum, json::Writer& writer);
[[nodiscard]] base::Result<Datum> read_datum(json::Value tree);

}  // namespace latticegate::temporal
