#include "temporal/datum.h"

#include <array>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "crypto/hash.h"

namespace latticegate::temporal {
namespace {

using base::Code;

constexpr std::int64_t most_kinds = 10;

Datum text_datum(Datum::Kind kind, std::string text) {
  if (text.size() <= longest_text) return {.kind = kind, .text = std::move(text)};
  return {.kind = kind, .digest = true, .text = crypto::to_hex(crypto::sha256(text))};
}

bool has_text(Datum::Kind kind) {
  return kind == Datum::Kind::string || kind == Datum::Kind::entity || kind == Datum::Kind::ip ||
         kind == Datum::Kind::compound;
}

}  // namespace

Datum datum_of(const cedar::Value& value) {
  using enum cedar::Kind;
  switch (value.kind()) {
    case boolean: return {.kind = Datum::Kind::boolean, .number = value.truth() ? 1 : 0};
    case integer: return Datum::integer(value.integer());
    case decimal: return {.kind = Datum::Kind::decimal, .number = value.integer()};
    case datetime: return {.kind = Datum::Kind::datetime, .number = value.integer()};
    case duration: return {.kind = Datum::Kind::duration, .number = value.integer()};
    case string: return text_datum(Datum::Kind::string, std::string(value.text()));
    case entity: {
      // The type's length keeps type and id apart.
      std::string text = std::to_string(value.uid().type().size());
      text += ':';
      text += value.uid().type();
      text += value.uid().id();
      return text_datum(Datum::Kind::entity, std::move(text));
    }
    case ip: return text_datum(Datum::Kind::ip, cedar::to_text(value));
    default: return text_datum(Datum::Kind::compound, cedar::to_text(value));
  }
}

void append(const Datum& datum, std::string& key) {
  key += static_cast<char>(static_cast<unsigned>(datum.kind) * 2U + (datum.digest ? 1U : 0U));
  const auto put = [&](std::uint64_t word) {
    std::array<char, sizeof word> bytes;
    std::memcpy(bytes.data(), &word, sizeof word);
    key.append(bytes.data(), bytes.size());
  };
  if (has_text(datum.kind)) {
    key += static_cast<char>(datum.text.size());
    key += datum.text;
  } else {
    put(static_cast<std::uint64_t>(datum.number));
  }
}

void write(const Datum& datum, json::Writer& writer) {
  writer.begin_array().integer(static_cast<std::int64_t>(datum.kind));
  if (has_text(datum.kind)) {
    writer.string(datum.text);
    if (datum.digest) writer.boolean(true);
  } else {
    writer.integer(datum.number);
  }
  writer.end_array();
}

base::Result<Datum> read_datum(json::Value tree) {
  const auto kind = tree.at(0).integer();
  if (!kind || *kind < 0 || *kind >= most_kinds)
    return base::fail(Code::malformed, "a datum of no known kind");
  Datum datum{.kind = static_cast<Datum::Kind>(*kind)};
  if (has_text(datum.kind)) {
    const auto text = tree.at(1).string();
    if (!text || text->size() > longest_text) return base::fail(Code::malformed, "a datum's text");
    datum.text = *text;
    datum.digest = tree.at(2).boolean().value_or(false);
  } else {
    const auto number = tree.at(1).integer();
    if (!number) return base::fail(Code::malformed, "a datum's number");
    datum.number = *number;
  }
  return datum;
}

}  // namespace latticegate::temporal
