#include "cedar/type.h"

#include <algorithm>
#include <array>
#include <format>
#include <iterator>
#include <vector>

#include "base/result.h"

namespace latticegate::cedar {
namespace {

using Kind = Type::Kind;

constexpr std::size_t longest_text = 200;

bool same_names(const Type& a, const Type& b) { return std::ranges::equal(a.names, b.names); }

// Both lists are sorted by name: one step through both.
template <class F>
void zip(std::span<const TypeAttribute> a, std::span<const TypeAttribute> b, F&& visit) {
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (j == b.size() || (i < a.size() && a[i].name < b[j].name))
      visit(&a[i++], nullptr);
    else if (i == a.size() || b[j].name < a[i].name)
      visit(nullptr, &b[j++]);
    else
      visit(&a[i++], &b[j++]);
  }
}

bool is_subrecord(const Type& lower, const Type& upper, Strictness mode) {
  if (lower.open && !upper.open) return false;
  bool fits = true;
  zip(lower.attributes, upper.attributes, [&](const TypeAttribute* has, const TypeAttribute* want) {
    if (!fits) return;
    if (has == nullptr || want == nullptr) {
      fits = want == nullptr && upper.open;
    } else {
      const bool presence = mode == Strictness::strict ? has->required == want->required
                                                       : has->required || !want->required;
      fits = presence && is_subtype(*has->type, *want->type, mode);
    }
  });
  return fits;
}

const Type* record_bound(const Type& a, const Type& b, Strictness mode, Arena& arena) {
  const bool strict = mode == Strictness::strict;
  std::vector<TypeAttribute> shared;
  bool open = a.open || b.open;
  bool fits = true;
  zip(a.attributes, b.attributes, [&](const TypeAttribute* left, const TypeAttribute* right) {
    if (!fits) return;
    const bool both = left != nullptr && right != nullptr;
    const Type* const bound =
        both ? least_upper_bound(*left->type, *right->type, mode, arena) : nullptr;
    if (bound == nullptr || (strict && left->required != right->required)) {
      // What is not in both, or not alike, the bound only leaves open.
      fits = !strict;
      open = true;
      return;
    }
    shared.push_back({left->name, bound, left->required && right->required});
  });
  if (!fits) return nullptr;
  Type record{.kind = Kind::record};
  record.open = open;
  record.attributes = arena.copy(std::span<const TypeAttribute>(shared));
  return arena.make(record);
}

const Type* entity_bound(const Type& a, const Type& b, Arena& arena) {
  if (a.is(Kind::any_entity) || b.is(Kind::any_entity)) return &type_of(Kind::any_entity);
  std::vector<std::string_view> names;
  std::ranges::set_union(a.names, b.names, std::back_inserter(names));
  Type entity{.kind = Kind::entity};
  entity.names = arena.copy(std::span<const std::string_view>(names));
  return arena.make(entity);
}

void append(const Type& type, std::string& out) {
  if (out.size() > longest_text) return;
  switch (type.kind) {
    case Kind::never: out += "nothing"; return;
    case Kind::boolean: out += "Bool"; return;
    case Kind::always: out += "true"; return;
    case Kind::nowise: out += "false"; return;
    case Kind::integer: out += "Long"; return;
    case Kind::string: out += "String"; return;
    case Kind::decimal: out += "decimal"; return;
    case Kind::ip: out += "ipaddr"; return;
    case Kind::datetime: out += "datetime"; return;
    case Kind::duration: out += "duration"; return;
    case Kind::any_entity: out += "an entity"; return;
    case Kind::entity:
      for (const std::string_view name : type.names) {
        if (name != type.names.front()) out += " or ";
        out += name;
      }
      return;
    case Kind::set:
      if (type.element == nullptr) {
        out += "a set";
        return;
      }
      out += "Set<";
      append(*type.element, out);
      out += '>';
      return;
    case Kind::record: break;
  }
  out += '{';
  for (const TypeAttribute& attribute : type.attributes) {
    if (&attribute != type.attributes.data()) out += ", ";
    out += attribute.name;
    out += attribute.required ? ": " : "?: ";
    append(*attribute.type, out);
  }
  if (type.open) out += type.attributes.empty() ? "..." : ", ...";
  out += '}';
}

}  // namespace

const TypeAttribute* Type::attribute(std::string_view name) const {
  const auto found = std::ranges::lower_bound(attributes, name, {}, &TypeAttribute::name);
  return found == attributes.end() || found->name != name ? nullptr : &*found;
}

const Type& type_of(Type::Kind kind) {
  static constexpr auto plain = [] {
    std::array<Type, static_cast<std::size_t>(Kind::record) + 1> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i].kind = static_cast<Kind>(i);
    all.back().open = true;  // any record; and above it, any set
    return all;
  }();
  base::check(kind != Kind::entity, "an entity type has a name");
  return plain[static_cast<std::size_t>(kind)];
}

bool same(const Type& a, const Type& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.open != b.open || !same_names(a, b) ||
      (a.element == nullptr) != (b.element == nullptr))
    return false;
  if (a.element != nullptr) return same(*a.element, *b.element);
  return std::ranges::equal(
      a.attributes, b.attributes, [](const TypeAttribute& x, const TypeAttribute& y) {
        return x.name == y.name && x.required == y.required && same(*x.type, *y.type);
      });
}

bool is_subtype(const Type& lower, const Type& upper, Strictness mode) {
  if (&lower == &upper || lower.is(Kind::never)) return true;
  if (lower.is_boolean()) return upper.is(Kind::boolean) || upper.kind == lower.kind;
  if (lower.is_entity() && upper.is(Kind::any_entity))
    return lower.is(Kind::any_entity) || mode == Strictness::permissive;
  if (lower.kind != upper.kind) return false;
  switch (lower.kind) {
    case Kind::entity:
      return mode == Strictness::strict ? same_names(lower, upper)
                                        : std::ranges::includes(upper.names, lower.names);
    case Kind::set:
      if (upper.element == nullptr) return true;
      return lower.element != nullptr && is_subtype(*lower.element, *upper.element, mode);
    case Kind::record: return is_subrecord(lower, upper, mode);
    default: return true;
  }
}

const Type* least_upper_bound(const Type& a, const Type& b, Strictness mode, Arena& arena) {
  if (is_subtype(a, b, mode)) return &b;
  if (is_subtype(b, a, mode)) return &a;
  if (a.is_boolean() && b.is_boolean()) return &type_of(Kind::boolean);
  if (a.is(Kind::set) && b.is(Kind::set)) {
    const Type* const element = least_upper_bound(*a.element, *b.element, mode, arena);
    if (element == nullptr) return nullptr;
    Type set{.kind = Kind::set};
    set.element = element;
    return arena.make(set);
  }
  if (a.is(Kind::record) && b.is(Kind::record)) return record_bound(a, b, mode, arena);
  if (mode == Strictness::permissive && a.is_entity() && b.is_entity())
    return entity_bound(a, b, arena);
  return nullptr;
}

bool disjoint(const Type& a, const Type& b) {
  if (!a.is(Kind::entity) || !b.is(Kind::entity)) return false;
  return std::ranges::none_of(
      a.names, [&](std::string_view name) { return std::ranges::binary_search(b.names, name); });
}

std::string to_text(const Type& type) {
  std::string text;
  append(type, text);
  if (text.size() > longest_text) {
    std::size_t end = longest_text;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    text.resize(end);
    text += "...";
  }
  return text;
}

}  // namespace latticegate::cedar
