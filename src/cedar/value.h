// Value: what a Cedar expression computes. Sixteen bytes, copied freely, immutable; never owns
// anything.
//
// Strings, entities, sets and records are views: of an Arena, of an Entities snapshot, of a
// PolicySet, or of bytes of the caller (for example the parsed tool call). Valid as long as what
// they view; safe to read from any thread. Equality is Cedar's `==`: never fails, different kinds
// are unequal, sets ignore order and repetition, ipaddr compares address and prefix without
// masking.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "cedar/arena.h"

namespace latticegate::cedar {

// The next up to eight bytes as a number, the first one lowest. Most texts here are short: a call
// of memcpy or memcmp with a length known only at run time would cost more than the rest.
constexpr std::uint64_t word_of(const char* text, std::size_t count) {
  std::uint64_t word = 0;
  if consteval {
    for (std::size_t i = 0; i < count; ++i)
      word |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
    return word;
  }
  if constexpr (std::endian::native == std::endian::big) {
    std::memcpy(&word, text, count);
    return std::byteswap(word);
  }
  if (count == 8) {
    std::memcpy(&word, text, 8);
  } else if (count >= 4) {
    // Two that overlap agree where they do.
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, text, 4);
    std::memcpy(&high, text + count - 4, 4);
    word = low | (std::uint64_t{high} << (8 * (count - 4)));
  } else if (count > 0) {
    const auto byte = [&](std::size_t i) {
      return std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
    };
    word = byte(0) | byte(count / 2) | byte(count - 1);
  }
  return word;
}

inline bool same_bytes(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  if (a.data() == b.data()) return true;
  const std::size_t size = a.size();
  if (size > 32) return std::memcmp(a.data(), b.data(), size) == 0;
  if (size < 8) return word_of(a.data(), size) == word_of(b.data(), size);
  const auto same_word = [&](std::size_t at) {
    return word_of(a.data() + at, 8) == word_of(b.data() + at, 8);
  };
  for (std::size_t at = 0; at + 8 < size; at += 8)
    if (!same_word(at)) return false;
  return same_word(size - 8);  // overlaps what was compared already
}

// A hash that is the same at compile time and run time. Not keyed: nothing here degrades worse than
// n log n under collisions chosen by an attacker.
constexpr std::uint64_t hash_of(std::string_view text) {
  constexpr std::uint64_t k = 0x9E3779B97F4A7C15U;
  std::uint64_t hash = k ^ text.size();
  const auto take = [&](std::uint64_t word) {
    hash = (hash ^ word) * 0xD6E8FEB86659FD93U;
    hash ^= hash >> 32U;
  };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) take(word_of(text.data() + at, 8));
  if (at < text.size()) take(word_of(text.data() + at, text.size() - at));
  hash *= k;
  return hash ^ (hash >> 29U);
}

// The name of an attribute or tag, with its hash. Make constants of the ones that are used on every
// call:
//   constexpr Name limit{"limit"};
class Name {
 public:
  constexpr Name() = default;
  // Names above 4 GiB do not occur: every parser here has a limit far below.
  constexpr explicit Name(std::string_view text)
      : data_(text.empty() ? "" : text.data()),
        size_(static_cast<std::uint32_t>(text.size())),
        hash_(static_cast<std::uint32_t>(hash_of(text))) {}
  constexpr std::string_view text() const { return {data_, size_}; }
  constexpr std::uint32_t hash() const { return hash_; }
  friend bool operator==(const Name& a, const Name& b) {
    return a.hash_ == b.hash_ && same_bytes(a.text(), b.text());
  }
  // The order in which records keep their fields: by hash, then text. Not alphabetical.
  friend std::strong_ordering operator<=>(const Name& a, const Name& b) {
    if (a.hash_ != b.hash_) return a.hash_ <=> b.hash_;
    return a.text() <=> b.text();
  }

 private:
  const char* data_ = "";
  std::uint32_t size_ = 0;
  std::uint32_t hash_ = static_cast<std::uint32_t>(hash_of({}));
};

// Type and id of an entity, as views: `Mcp::Agent::"support-bot"` is {"Mcp::Agent", "support-bot"}.
// The type is in normal form: no white space around "::".
class EntityUid {
 public:
  constexpr EntityUid() = default;
  constexpr EntityUid(std::string_view type, std::string_view id)
      : type_(type), id_(id), hash_(hash_of(type) * 31 + hash_of(id)) {}
  constexpr std::string_view type() const { return type_; }
  constexpr std::string_view id() const { return id_; }
  constexpr std::uint64_t hash() const { return hash_; }
  friend bool operator==(const EntityUid& a, const EntityUid& b) {
    return a.hash_ == b.hash_ && same_bytes(a.id_, b.id_) && same_bytes(a.type_, b.type_);
  }
  friend std::strong_ordering operator<=>(const EntityUid& a, const EntityUid& b) {
    if (a.hash_ != b.hash_) return a.hash_ <=> b.hash_;
    if (a.type_ != b.type_) return a.type_ <=> b.type_;
    return a.id_ <=> b.id_;
  }

 private:
  std::string_view type_;
  std::string_view id_;
  std::uint64_t hash_ = 0;
};

// An address and a prefix length: 10.0.0.0/8. A plain address has the full length (32 or 128).
struct IpRange {
  std::array<std::uint8_t, 16> address{};  // network order; v4 uses the first four
  bool v6 = false;
  std::uint8_t prefix = 32;
  auto operator<=>(const IpRange&) const = default;
};

enum class Kind : std::uint8_t {
  none,  // no value: a default-constructed Value; never the result of an evaluation
  boolean,
  integer,  // Long
  string,
  entity,
  set,
  record,
  decimal,   // integer() is the value times 10,000
  datetime,  // integer() is milliseconds since 1970
  duration,  // integer() is milliseconds
  ip,
  unknown,  // three-valued evaluation only (see authorize.h): the value is not known yet
};
// As error messages call it: "bool", "long", "string", ...
std::string_view name(Kind kind);

struct Field;

class Value {
 public:
  constexpr Value() : payload_{.integer = 0} {}
  static Value boolean(bool truth) { return {Kind::boolean, 0, {.integer = truth ? 1 : 0}}; }
  static Value integer(std::int64_t number) { return {Kind::integer, 0, {.integer = number}}; }
  static Value decimal(std::int64_t ten_thousandths) {
    return {Kind::decimal, 0, {.integer = ten_thousandths}};
  }
  static Value datetime(std::int64_t milliseconds) {
    return {Kind::datetime, 0, {.integer = milliseconds}};
  }
  static Value duration(std::int64_t milliseconds) {
    return {Kind::duration, 0, {.integer = milliseconds}};
  }
  // The bytes stay the caller's; they are UTF-8.
  static Value string(std::string_view text) {
    return {Kind::string, static_cast<std::uint32_t>(text.size()), {.text = text.data()}};
  }
  // The uid stays the caller's.
  static Value entity(const EntityUid* uid) { return {Kind::entity, 0, {.uid = uid}}; }
  static Value entity(const EntityUid& uid, Arena& arena) { return entity(arena.make(uid)); }
  static Value ip(const IpRange* range) { return {Kind::ip, 0, {.range = range}}; }
  static Value ip(const IpRange& range, Arena& arena) { return ip(arena.make(range)); }
  // The elements in any order, repetitions allowed; copied, sorted and made unique in the arena.
  static Value set(std::span<const Value> elements, Arena& arena);
  static Value strings(std::span<const std::string_view> elements, Arena& arena);
  static Value strings(std::initializer_list<std::string_view> elements, Arena& arena) {
    return strings(std::span(elements.begin(), elements.size()), arena);
  }
  // The fields in any order; copied and sorted in the arena. Of several fields with one name the
  // last counts.
  static Value record(std::span<const Field> fields, Arena& arena);
  static Value empty_set() { return {Kind::set, 0, {.elements = nullptr}}; }
  static Value empty_record() { return {Kind::record, 0, {.fields = nullptr}}; }
  // Not known yet. As an attribute it is certainly present (`has` is true) unless `maybe_absent`.
  static Value unknown(bool maybe_absent = false) {
    return {Kind::unknown, maybe_absent ? 1U : 0U, {.integer = 0}};
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  explicit operator bool() const { return kind_ != Kind::none; }

  // Each only for a value of that kind.
  bool truth() const { return payload_.integer != 0; }
  std::int64_t integer() const { return payload_.integer; }  // also decimal, datetime, duration
  std::string_view text() const { return {payload_.text, count_}; }
  const EntityUid& uid() const { return *payload_.uid; }
  const IpRange& range() const { return *payload_.range; }
  std::span<const Value> elements() const { return {payload_.elements, count_}; }
  std::span<const Field> fields() const;
  bool maybe_absent() const { return count_ != 0; }

  // The field of a record, or null; its value, or no value.
  const Field* find(const Name& name) const;
  Value field(const Name& name) const;
  // Membership in a set.
  bool contains(const Value& element) const;

  // The fields stay where they are: distinct and ascending by name.
  static Value record_in_order(std::span<const Field> fields);

  friend bool operator==(const Value& a, const Value& b);
  // A total order (for sorting; not meaningful to people).
  friend std::strong_ordering operator<=>(const Value& a, const Value& b);

 private:
  friend class Evaluator;
  friend class RecordBuilder;
  static Value sorted(std::span<Field> fields);  // in place
  union Payload {
    std::int64_t integer;
    const char* text;
    const EntityUid* uid;
    const IpRange* range;
    const Value* elements;
    const Field* fields;
  };
  constexpr Value(Kind kind, std::uint32_t count, Payload payload)
      : payload_(payload), count_(count), kind_(kind) {}

  Payload payload_;
  std::uint32_t count_ = 0;
  Kind kind_ = Kind::none;
};
static_assert(sizeof(Value) == 16);

struct Field {
  Name name;
  Value value;
};

inline std::span<const Field> Value::fields() const { return {payload_.fields, count_}; }
inline Value Value::record_in_order(std::span<const Field> fields) {
  return {Kind::record, static_cast<std::uint32_t>(fields.size()), {.fields = fields.data()}};
}

// Collects the fields of a record that is built per request:
//   RecordBuilder session(arena);
//   session.add(calls, Value::integer(3));
//   context.add(session_name, session.finish());
// Add the fields of the gateway after those that come from outside: of several with one name the
// last counts.
class RecordBuilder {
 public:
  explicit RecordBuilder(Arena& arena) : arena_(arena) {}
  RecordBuilder& add(const Name& name, const Value& value);
  RecordBuilder& add(std::string_view name, const Value& value) { return add(Name(name), value); }
  // The names' and strings' bytes stay the caller's; the fields lie in the arena. The builder is
  // empty afterwards.
  Value finish();

 private:
  Arena& arena_;
  std::span<Field> room_;
  std::size_t count_ = 0;
};

// The names of a record that is built for every request, in the order in which records keep them,
// so that its values are put into place and nothing is sorted then:
//   constexpr RecordLayout risk_layout({"score", "signals"});
//   RecordSlots<risk_layout> risk(arena);
//   risk.set("score", Value::integer(3));
//   const Value value = risk.finish();
// A name that is not in the layout, or twice, does not compile. What is not set is absent.
template <std::size_t N>
class RecordLayout {
 public:
  consteval explicit RecordLayout(const std::string_view (&names)[N]) {
    for (std::size_t i = 0; i < N; ++i) names_[i] = Name(names[i]);
    std::ranges::sort(names_, {}, &Name::hash);
    for (std::size_t i = 1; i < N; ++i)
      if (names_[i - 1].hash() == names_[i].hash()) std::abort();  // two names are (or hash) alike
  }
  consteval std::size_t index(std::string_view name) const {
    for (std::size_t i = 0; i < N; ++i)
      if (names_[i].text() == name) return i;
    std::abort();  // the layout has no such name
  }
  constexpr const std::array<Name, N>& names() const [[clang::lifetimebound]] { return names_; }

 private:
  std::array<Name, N> names_;
};

template <const auto& layout>
class RecordSlots {
 public:
  class Slot {
   public:
    // NOLINTNEXTLINE(google-explicit-constructor): a name stands for its slot
    consteval Slot(const char* name) : index(layout.index(name)) {}
    std::size_t index;
  };
  explicit RecordSlots(Arena& arena) : fields_(arena.array<Field>(layout.names().size())) {
    for (std::size_t i = 0; i < fields_.size(); ++i) fields_[i] = {layout.names()[i], Value()};
  }
  RecordSlots& set(Slot slot, const Value& value) {
    fields_[slot.index].value = value;
    return *this;
  }
  // The slots are used up.
  Value finish() {
    std::size_t count = 0;
    for (const Field& field : fields_)
      if (field.value) fields_[count++] = field;
    return Value::record_in_order(fields_.first(count));
  }

 private:
  std::span<Field> fields_;
};

// A copy of the value and of everything that it views.
Value copy(const Value& value, Arena& arena);
EntityUid copy(const EntityUid& uid, Arena& arena);

// As Cedar source text: "x", 5, [1, 2], {"a": 1}, User::"bob", ip("10.0.0.1"). What is longer than
// `limit` bytes ends in
// "..." and is no source text any more.
std::string to_text(const Value& value, std::size_t limit = SIZE_MAX);
std::string to_text(const EntityUid& uid);
// The text as a Cedar string literal with quotes.
std::string quoted(std::string_view text);

}  // namespace latticegate::cedar
