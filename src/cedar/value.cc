#include "cedar/value.h"

#include <algorithm>
#include <cstddef>
#include <format>
#include <utility>
#include <vector>

#include "cedar/extension.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t small = 12;  // up to here a linear search beats a binary one

std::strong_ordering compare_texts(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a <=> b;
}

// Appends one scalar or the structure; false once the text passed the limit.
bool append_text(const Value& value, std::size_t limit, std::string& out);

bool append_elements(const Value& value, std::size_t limit, std::string& out) {
  out += '[';
  bool first = true;
  for (const Value& element : value.elements()) {
    if (!first) out += ", ";
    first = false;
    if (!append_text(element, limit, out)) return false;
  }
  out += ']';
  return out.size() <= limit;
}

bool append_fields(const Value& value, std::size_t limit, std::string& out) {
  std::vector<Field> fields(value.fields().begin(), value.fields().end());
  std::ranges::sort(fields, {}, [](const Field& field) { return field.name.text(); });
  out += '{';
  bool first = true;
  for (const Field& field : fields) {
    if (!first) out += ", ";
    first = false;
    out += quoted(field.name.text());
    out += ": ";
    if (!append_text(field.value, limit, out)) return false;
  }
  out += '}';
  return out.size() <= limit;
}

bool append_text(const Value& value, std::size_t limit, std::string& out) {
  switch (value.kind()) {
    case Kind::none: out += "(absent)"; break;
    case Kind::unknown: out += "(unknown)"; break;
    case Kind::boolean: out += value.truth() ? "true" : "false"; break;
    case Kind::integer: out += std::format("{}", value.integer()); break;
    case Kind::string: out += quoted(value.text().substr(0, limit)); break;
    case Kind::entity: out += to_text(value.uid()); break;
    case Kind::set: return append_elements(value, limit, out);
    case Kind::record: return append_fields(value, limit, out);
    case Kind::decimal: out += std::format("decimal(\"{}\")", decimal_text(value.integer())); break;
    case Kind::datetime: out += datetime_text(value.integer()); break;
    case Kind::duration:
      out += std::format("duration(\"{}\")", duration_text(value.integer()));
      break;
    case Kind::ip: out += std::format("ip(\"{}\")", ip_text(value.range())); break;
  }
  return out.size() <= limit;
}

}  // namespace

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::none: return "nothing";
    case Kind::boolean: return "bool";
    case Kind::integer: return "long";
    case Kind::string: return "string";
    case Kind::entity: return "entity";
    case Kind::set: return "set";
    case Kind::record: return "record";
    case Kind::decimal: return "decimal";
    case Kind::datetime: return "datetime";
    case Kind::duration: return "duration";
    case Kind::ip: return "ipaddr";
    case Kind::unknown: return "unknown";
  }
  std::unreachable();
}

Value Value::set(std::span<const Value> elements, Arena& arena) {
  if (elements.empty()) return empty_set();
  const auto room = arena.array<Value>(elements.size());
  std::ranges::copy(elements, room.begin());
  if (room.size() > 1) std::ranges::sort(room);
  const auto rest = std::ranges::unique(room);
  const auto count = static_cast<std::uint32_t>(rest.begin() - room.begin());
  return {Kind::set, count, {.elements = room.data()}};
}

Value Value::strings(std::span<const std::string_view> elements, Arena& arena) {
  if (elements.empty()) return empty_set();
  const auto room = arena.array<Value>(elements.size());
  std::ranges::transform(elements, room.begin(),
                         [](std::string_view text) { return string(text); });
  if (room.size() > 1) std::ranges::sort(room);
  const auto rest = std::ranges::unique(room);
  return {Kind::set,
          static_cast<std::uint32_t>(rest.begin() - room.begin()),
          {.elements = room.data()}};
}

Value Value::record(std::span<const Field> fields, Arena& arena) {
  const auto room = arena.array<Field>(fields.size());
  std::ranges::copy(fields, room.begin());
  return sorted(room);
}

Value Value::sorted(std::span<Field> fields) {
  if (fields.empty()) return empty_record();
  std::size_t count = 0;
  if (fields.size() <= small) {
    // Insertion: stable, and for the usual handful cheaper than a general sort.
    for (std::size_t next = 0; next < fields.size(); ++next) {
      const Field field = fields[next];
      std::size_t at = count;
      while (at > 0 && field.name < fields[at - 1].name) --at;
      if (at > 0 && fields[at - 1].name == field.name) {
        fields[at - 1] = field;
        continue;
      }
      for (std::size_t i = count; i > at; --i) fields[i] = fields[i - 1];
      fields[at] = field;
      ++count;
    }
  } else {
    std::ranges::stable_sort(fields, {}, &Field::name);
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (count > 0 && fields[count - 1].name == fields[i].name) --count;
      fields[count++] = fields[i];
    }
  }
  return {Kind::record, static_cast<std::uint32_t>(count), {.fields = fields.data()}};
}

const Field* Value::find(const Name& name) const {
  const auto all = fields();
  if (all.size() <= small) {
    for (const Field& field : all)
      if (field.name == name) return &field;
    return nullptr;
  }
  const auto found = std::ranges::lower_bound(all, name, {}, &Field::name);
  return found != all.end() && found->name == name ? &*found : nullptr;
}

Value Value::field(const Name& name) const {
  const Field* const found = find(name);
  return found != nullptr ? found->value : Value();
}

bool Value::contains(const Value& element) const {
  const auto all = elements();
  if (all.size() <= small) return std::ranges::find(all, element) != all.end();
  return std::ranges::binary_search(all, element);
}

bool operator==(const Value& a, const Value& b) {
  if (a.kind_ != b.kind_) return false;
  switch (a.kind_) {
    case Kind::none: return true;
    case Kind::boolean:
    case Kind::integer:
    case Kind::decimal:
    case Kind::datetime:
    case Kind::duration: return a.payload_.integer == b.payload_.integer;
    case Kind::string: return same_bytes(a.text(), b.text());
    case Kind::entity: return a.uid() == b.uid();
    case Kind::ip: return a.range() == b.range();
    case Kind::unknown: return a.count_ == b.count_;
    case Kind::set: return std::ranges::equal(a.elements(), b.elements());
    case Kind::record:
      return std::ranges::equal(a.fields(), b.fields(), [](const Field& x, const Field& y) {
        return x.name == y.name && x.value == y.value;
      });
  }
  std::unreachable();
}

std::strong_ordering operator<=>(const Value& a, const Value& b) {
  if (a.kind_ != b.kind_) return a.kind_ <=> b.kind_;
  switch (a.kind_) {
    case Kind::none: return std::strong_ordering::equal;
    case Kind::boolean:
    case Kind::integer:
    case Kind::decimal:
    case Kind::datetime:
    case Kind::duration: return a.payload_.integer <=> b.payload_.integer;
    case Kind::string: return compare_texts(a.text(), b.text());
    case Kind::entity: return a.uid() <=> b.uid();
    case Kind::ip: return a.range() <=> b.range();
    case Kind::unknown: return a.count_ <=> b.count_;
    case Kind::set: {
      const auto x = a.elements();
      const auto y = b.elements();
      if (x.size() != y.size()) return x.size() <=> y.size();
      for (std::size_t i = 0; i < x.size(); ++i)
        if (const auto order = x[i] <=> y[i]; order != 0) return order;
      return std::strong_ordering::equal;
    }
    case Kind::record: {
      const auto x = a.fields();
      const auto y = b.fields();
      if (x.size() != y.size()) return x.size() <=> y.size();
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (const auto order = x[i].name <=> y[i].name; order != 0) return order;
        if (const auto order = x[i].value <=> y[i].value; order != 0) return order;
      }
      return std::strong_ordering::equal;
    }
  }
  std::unreachable();
}

RecordBuilder& RecordBuilder::add(const Name& name, const Value& value) {
  if (count_ == room_.size()) {
    const auto larger = arena_.array<Field>(count_ == 0 ? 8 : 2 * count_);
    std::ranges::copy(room_, larger.begin());
    room_ = larger;
  }
  room_[count_++] = {name, value};
  return *this;
}

Value RecordBuilder::finish() {
  const auto fields = std::exchange(room_, {}).first(std::exchange(count_, 0));
  return Value::sorted(fields);
}

EntityUid copy(const EntityUid& uid, Arena& arena) {
  return {arena.copy(uid.type()), arena.copy(uid.id())};
}

Value copy(const Value& value, Arena& arena) {
  switch (value.kind()) {
    case Kind::string: return Value::string(arena.copy(value.text()));
    case Kind::entity: return Value::entity(copy(value.uid(), arena), arena);
    case Kind::ip: return Value::ip(value.range(), arena);
    case Kind::set: {
      std::vector<Value> elements;
      elements.reserve(value.elements().size());
      for (const Value& element : value.elements()) elements.push_back(copy(element, arena));
      return Value::set(elements, arena);
    }
    case Kind::record: {
      std::vector<Field> fields;
      fields.reserve(value.fields().size());
      for (const Field& field : value.fields())
        fields.push_back({Name(arena.copy(field.name.text())), copy(field.value, arena)});
      return Value::record(fields, arena);
    }
    default: return value;
  }
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\0': out += "\\0"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
          out += std::format("\\u{{{:x}}}", static_cast<unsigned char>(c));
        else
          out += c;
    }
  }
  out += '"';
  return out;
}

std::string to_text(const EntityUid& uid) {
  return std::format("{}::{}", uid.type(), quoted(uid.id()));
}

std::string to_text(const Value& value, std::size_t limit) {
  std::string out;
  if (!append_text(value, limit, out) && out.size() > limit) {
    out.resize(limit);
    // Never end inside a character: drop its first bytes, too.
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0U) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
    out += "...";
  }
  return out;
}

}  // namespace latticegate::cedar
