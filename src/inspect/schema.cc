#include "inspect/schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/suggest.h"
#include "inspect/pattern.h"
#include "json/write.h"

namespace latticegate::inspect {
namespace {

using base::Code;
using json::Value;

constexpr std::uint32_t none = 0xFFFFFFFFU;  // no subschema

enum Type : std::uint8_t {
  type_null = 1,
  type_boolean = 2,
  type_object = 4,
  type_array = 8,
  type_number = 16,
  type_string = 32,
  type_integer = 64,
};
struct TypeName {
  std::string_view word;
  Type bit;
  std::string_view phrase;
};
constexpr auto types = std::to_array<TypeName>({{"null", type_null, "null"},
                                                {"boolean", type_boolean, "true or false"},
                                                {"object", type_object, "an object"},
                                                {"array", type_array, "an array"},
                                                {"number", type_number, "a number"},
                                                {"string", type_string, "a string"},
                                                {"integer", type_integer, "a whole number"}});

struct Format {
  std::string_view name;
  std::string_view pattern;
};
constexpr auto formats = std::to_array<Format>({
    {"date-time",
     "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])[Tt "
     "]([01]\\d|2[0-3]):[0-5]\\d:([0-5]\\d|60)(\\.\\d+)?"
     "([Zz]|[+-]([01]\\d|2[0-3]):[0-5]\\d)$"},
    {"date", "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$"},
    {"time",
     "^([01]\\d|2[0-3]):[0-5]\\d:([0-5]\\d|60)(\\.\\d+)?([Zz]|[+-]([01]\\d|2[0-3]):[0-5]\\d)$"},
    {"email", "^[^\\s@<>()]{1,64}@[^\\s@<>()]{1,255}$"},
    {"uri", "^[A-Za-z][A-Za-z0-9+.-]*:[^\\s<>\"\\\\^`{|}]*$"},
    {"uuid", "^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$"},
    {"ipv4",
     "^((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)$"},
    {"ipv6",
     "^((([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4})|(([0-9A-Fa-f]{1,4}:){1,7}:)|(([0-9A-Fa-f]{1,4}:){"
     "1,6}(:[0-9A-Fa-f]"
     "{1,4}))|(([0-9A-Fa-f]{1,4}:){1,5}(:[0-9A-Fa-f]{1,4}){1,2})|(([0-9A-Fa-f]{1,4}:){1,4}(:[0-9A-"
     "Fa-f]{1,4}){1,3})|"
     "(([0-9A-Fa-f]{1,4}:){1,3}(:[0-9A-Fa-f]{1,4}){1,4})|(([0-9A-Fa-f]{1,4}:){1,2}(:[0-9A-Fa-f]{1,"
     "4}){1,5})|"
     "([0-9A-Fa-f]{1,4}:(:[0-9A-Fa-f]{1,4}){1,6})|(:(:[0-9A-Fa-f]{1,4}){1,7})|(::)|"
     "(([0-9A-Fa-f]{1,4}:){6}|::([Ff]{4}:)?)(\\d{1,3}\\.){3}\\d{1,3})$"},
    {"hostname",
     "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
     "$"},
});

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
  std::vector<Value> allowed;
  bool has_allowed = false;
  Value constant;
  Value minimum, maximum, above, below, multiple;
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

void escape_segment(std::string_view key, std::string& out) {
  out += '/';
  for (const char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
}

std::uint8_t type_of(Value value) {
  switch (value.kind()) {
    case json::Kind::null: return type_null;
    case json::Kind::boolean: return type_boolean;
    case json::Kind::object: return type_object;
    case json::Kind::array: return type_array;
    case json::Kind::string: return type_string;
    case json::Kind::number: {
      const auto real = value.integral();
      const bool large = !real && value.digits().find_first_of(".eE") == std::string_view::npos;
      return real || large ? type_number | type_integer : type_number;
    }
  }
  std::unreachable();
}

// -1, 0, 1; integers exactly, everything else as doubles.
int compare(Value a, Value b) {
  const auto x = a.integer(), y = b.integer();
  if (x && y) return *x < *y ? -1 : *x > *y ? 1 : 0;
  const double p = a.number().value_or(HUGE_VAL), q = b.number().value_or(HUGE_VAL);
  return p < q ? -1 : p > q ? 1 : 0;
}

bool is_multiple(Value value, Value of) {
  const auto x = value.integer(), y = of.integer();
  if (x && y) return *y != 0 && (*y == -1 || *x % *y == 0);
  const double quotient = value.number().value_or(HUGE_VAL) / of.number().value_or(1);
  return std::isfinite(quotient) &&
         std::abs(quotient - std::round(quotient)) < 1e-9 * std::max(1.0, std::abs(quotient));
}

bool equal(Value a, Value b) {
  if (a.kind() != b.kind()) return false;
  if (a.is_string()) return a.string() == b.string();
  if (a.is_number()) return a.digits() == b.digits() || compare(a, b) == 0;
  if (a.is_boolean()) return a.boolean() == b.boolean();
  return a.is_null() || (a.size() == b.size() && json::canonical(a) == json::canonical(b));
}

std::uint64_t code_points(std::string_view text) {
  return static_cast<std::uint64_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// A value as it may stand in a sentence.
std::string shown(Value value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return std::format("an array of {}", value.size());
  constexpr std::size_t longest = 48;
  const std::string text = base::printable(json::to_string(value));
  return text.size() <= longest ? text : text.substr(0, longest) + "...";
}

std::string phrase_of(std::uint8_t mask) {
  std::string out;
  for (const TypeName& type : types) {
    if ((mask & type.bit) == 0) continue;
    if (!out.empty()) out += " or ";
    out += type.phrase;
  }
  return out;
}

}  // namespace

struct Schema::Program {
  explicit Program(json::Document own, json::Document none_given)
      : source(std::move(own)), empty(std::move(none_given)) {}
  json::Document source;  // all views below point into it
  json::Document empty;   // {}
  std::vector<Subschema> subschemas;
  std::vector<std::string> unchecked;
  SchemaLimits limits;
};

namespace {

// From the tree to subschemas. The first error ends it.
class SchemaCompiler {
 public:
  SchemaCompiler(Value root, const SchemaLimits& limits, std::vector<Subschema>& out,
                 std::vector<std::string>& unchecked)
      : root_(root), limits_(limits), out_(out), unchecked_(unchecked) {}

  base::Result<void> run() {
    if (const auto dialect = root_["$schema"].string()) {
      old_ = dialect->contains("draft-07") || dialect->contains("draft-06");
      if (!old_ && !dialect->contains("2020-12") && !dialect->contains("2019-09"))
        return base::fail(Code::unsupported, std::format("the schema dialect \"{}\"",
                                                         base::printable(dialect->substr(0, 100))));
    }
    std::string place;
    compile(root_, place);
    // References are resolved last, from a list, so that the depth of the calls is that of the
    // tree.
    for (std::size_t i = 0; i < references_.size() && !failed_; ++i) {
      const Reference reference = references_[i];
      std::string where = reference.place;
      const Value target = resolve(reference.text, where);
      if (failed_) break;
      out_[reference.from].reference = compile(target, where);
    }
    if (failed_) return std::unexpected(std::move(error_));
    return {};
  }

 private:
  struct Reference {
    std::uint32_t from;
    std::string_view text;
    std::string place;
  };

  void refuse(Code code, std::string_view place, std::string_view words) {
    if (!failed_)
      error_ = {code, std::format("schema {}: {}",
                                  place.empty() ? "at its root" : base::printable(place), words)};
    failed_ = true;
  }

  void leave_unchecked(std::string_view place, std::string_view words) {
    if (unchecked_.size() < 100)
      unchecked_.push_back(std::format("{}: {}", base::printable(place), base::printable(words)));
  }

  std::uint32_t compile(Value schema, std::string& place) {
    if (failed_) return none;
    if (!schema.exists() || (!schema.is_object() && !schema.is_boolean())) {
      refuse(Code::invalid, place, "a schema is an object, true or false");
      return none;
    }
    const auto [known, is_new] =
        known_.try_emplace(schema.node(), static_cast<std::uint32_t>(out_.size()));
    if (!is_new) return known->second;
    if (out_.size() >= limits_.subschemas) {
      refuse(Code::too_large, place, std::format("more than {} subschemas", limits_.subschemas));
      return none;
    }
    const std::uint32_t index = known->second;
    out_.emplace_back();
    Subschema built;
    if (schema.is_boolean()) {
      built.never = !*schema.boolean();
    } else if (const Value reference = schema["$ref"]; reference.is_string() && old_) {
      references_.push_back(
          {index, *reference.string(), place});  // draft-07: what stands beside is ignored
    } else {
      keywords(schema, index, place, built);
    }
    const std::uint32_t ref = out_[index].reference;
    out_[index] = std::move(built);
    out_[index].reference = ref;
    return index;
  }

  std::uint32_t at(Value schema, std::string_view key, std::string& place) {
    const std::size_t length = place.size();
    escape_segment(key, place);
    const std::uint32_t index = compile(schema, place);
    place.resize(length);
    return index;
  }

  std::uint32_t child(Value schema, std::string_view key, std::string& place) {
    const Value value = schema[key];
    return value.exists() ? at(value, key, place) : none;
  }

  std::vector<std::uint32_t> list(Value schema, std::string_view key, std::string& place) {
    std::vector<std::uint32_t> indices;
    const Value value = schema[key];
    if (!value.exists()) return indices;
    if (!value.is_array() || value.size() == 0)
      refuse(Code::invalid, place, std::format("{} is a list of schemas", key));
    const std::size_t length = place.size();
    escape_segment(key, place);
    for (std::size_t i = 0; const Value element : value.elements())
      indices.push_back(at(element, std::to_string(i++), place));
    place.resize(length);
    return indices;
  }

  void count(Value schema, std::string_view key, std::string_view place,
             std::optional<std::uint64_t>& into) {
    const Value value = schema[key];
    if (!value.exists()) return;
    const auto number = value.integral();
    if (!number || *number < 0)
      refuse(Code::invalid, place, std::format("{} is a whole number from 0", key));
    else
      into = static_cast<std::uint64_t>(*number);
  }

  void number(Value schema, std::string_view key, std::string_view place, Value& into) {
    const Value value = schema[key];
    if (!value.exists()) return;
    if (!value.is_number())
      refuse(Code::invalid, place, std::format("{} is a number", key));
    else
      into = value;
  }

  std::vector<std::string_view> names(Value value, std::string_view key, std::string_view place) {
    std::vector<std::string_view> out;
    if (!value.is_array()) refuse(Code::invalid, place, std::format("{} is a list of names", key));
    for (const Value element : value.elements()) {
      if (!element.is_string())
        refuse(Code::invalid, place, std::format("{} is a list of names", key));
      out.push_back(element.text_or(""));
    }
    return out;
  }

  void keywords(Value schema, std::uint32_t index, std::string& place, Subschema& s) {
    if (const Value reference = schema["$ref"]; reference.exists()) {
      if (!reference.is_string()) refuse(Code::invalid, place, "$ref is a text");
      references_.push_back({index, reference.text_or(""), place});
    }
    for (const std::string_view key : {"$dynamicRef", "$recursiveRef"})
      if (schema[key].exists()) refuse(Code::unsupported, place, key);
    read_types(schema, place, s);
    if (const Value values = schema["enum"]; values.exists()) {
      if (!values.is_array()) refuse(Code::invalid, place, "enum is a list");
      s.has_allowed = true;
      for (const Value element : values.elements()) s.allowed.push_back(element);
    }
    s.constant = schema["const"];
    read_numbers(schema, place, s);
    read_texts(schema, place, s);
    read_arrays(schema, place, s);
    read_objects(schema, place, s);
    s.all_of = list(schema, "allOf", place);
    s.any_of = list(schema, "anyOf", place);
    s.one_of = list(schema, "oneOf", place);
    s.negated = child(schema, "not", place);
    s.condition = child(schema, "if", place);
    s.then = child(schema, "then", place);
    s.otherwise = child(schema, "else", place);
    read_unevaluated(schema, place, s);
  }

  void read_types(Value schema, std::string_view place, Subschema& s) {
    const Value type = schema["type"];
    if (!type.exists()) return;
    const auto add = [&](Value word) {
      const auto known = std::ranges::find(types, word.text_or(""), &TypeName::word);
      if (!word.is_string() || known == types.end())
        refuse(Code::invalid, place, std::format("{} is no type of JSON Schema", shown(word)));
      else
        s.types = static_cast<std::uint8_t>(s.types | known->bit);
    };
    if (type.is_array())
      for (const Value word : type.elements()) add(word);
    else
      add(type);
  }

  void read_numbers(Value schema, std::string_view place, Subschema& s) {
    number(schema, "minimum", place, s.minimum);
    number(schema, "maximum", place, s.maximum);
    number(schema, "multipleOf", place, s.multiple);
    // A boolean is the older spelling: it makes the bound beside it exclusive.
    const auto exclusive = [&](std::string_view key, Value& bound, Value& into) {
      const Value value = schema[key];
      if (!value.is_boolean())
        number(schema, key, place, into);
      else if (*value.boolean())
        into = std::exchange(bound, Value());
    };
    exclusive("exclusiveMinimum", s.minimum, s.above);
    exclusive("exclusiveMaximum", s.maximum, s.below);
    if (s.multiple.exists() && s.multiple.number().value_or(0) <= 0)
      refuse(Code::invalid, place, "multipleOf is above 0");
  }

  void read_texts(Value schema, std::string_view place, Subschema& s) {
    count(schema, "minLength", place, s.min_length);
    count(schema, "maxLength", place, s.max_length);
    if (const Value source = schema["pattern"]; source.exists()) {
      if (!source.is_string()) refuse(Code::invalid, place, "pattern is a text");
      auto pattern = Pattern::compile(source.text_or(""));
      if (pattern)
        s.texts.push_back(
            {*std::move(pattern), std::format("match the pattern {}", shown(source))});
      else
        leave_unchecked(place,
                        std::format("pattern {}: {}", shown(source), pattern.error().detail));
    }
    if (const Value format = schema["format"]; format.is_string()) {
      const auto known = std::ranges::find(formats, *format.string(), &Format::name);
      if (known == formats.end()) {
        leave_unchecked(place, std::format("format {}", shown(format)));
      } else if (auto pattern = Pattern::compile(known->pattern)) {
        s.texts.push_back({*std::move(pattern), std::format("be of the format {}", known->name)});
      }
    }
  }

  void read_arrays(Value schema, std::string& place, Subschema& s) {
    count(schema, "minItems", place, s.min_items);
    count(schema, "maxItems", place, s.max_items);
    count(schema, "minContains", place, s.min_contains);
    count(schema, "maxContains", place, s.max_contains);
    s.unique = schema["uniqueItems"].boolean().value_or(false);
    if (schema["items"].is_array()) {
      s.prefix = list(schema, "items", place);
      s.items = child(schema, "additionalItems", place);
    } else {
      s.prefix = list(schema, "prefixItems", place);
      s.items = child(schema, "items", place);
    }
    s.contains = child(schema, "contains", place);
  }

  void read_objects(Value schema, std::string& place, Subschema& s) {
    count(schema, "minProperties", place, s.min_properties);
    count(schema, "maxProperties", place, s.max_properties);
    if (const Value required = schema["required"]; required.exists()) {
      // The oldest dialects wrote a boolean into the property's own schema; it has no meaning in
      // ours.
      if (required.is_boolean())
        leave_unchecked(place, "required is not a list");
      else
        s.required = names(required, "required", place);
    }
    const auto each = [&](std::string_view key, auto&& take) {
      const Value map = schema[key];
      if (!map.exists()) return;
      if (!map.is_object()) refuse(Code::invalid, place, std::format("{} is an object", key));
      const std::size_t length = place.size();
      escape_segment(key, place);
      for (const json::Member member : map.members()) take(member);
      place.resize(length);
    };
    each("properties", [&](json::Member member) {
      s.properties.push_back({member.key, at(member.value, member.key, place)});
    });
    bool all_patterns = true;
    each("patternProperties", [&](json::Member member) {
      auto pattern = Pattern::compile(member.key);
      const std::uint32_t index = at(member.value, member.key, place);
      if (pattern) {
        s.patterns.push_back({*std::move(pattern), index});
      } else {
        all_patterns = false;
        leave_unchecked(place,
                        std::format("pattern \"{}\": {}", member.key, pattern.error().detail));
      }
    });
    s.additional = child(schema, "additionalProperties", place);
    if (!all_patterns) s.additional = none;  // which members are additional is not known then
    s.names = child(schema, "propertyNames", place);
    for (const std::string_view key : {"dependencies", "dependentRequired", "dependentSchemas"})
      each(key, [&](json::Member member) {
        Dependency dependency{member.key, {}, none};
        if (member.value.is_array())
          dependency.required = names(member.value, key, place);
        else
          dependency.schema = at(member.value, member.key, place);
        s.dependencies.push_back(std::move(dependency));
      });
  }

  // Without another subschema in place, "unevaluated" means the same as "additional".
  void read_unevaluated(Value schema, std::string& place, Subschema& s) {
    const bool alone = s.all_of.empty() && s.any_of.empty() && s.one_of.empty() &&
                       s.condition == none && s.dependencies.empty() && !schema["$ref"].exists();
    for (const auto& [key, into] : {std::pair("unevaluatedProperties", &s.additional),
                                    std::pair("unevaluatedItems", &s.items)}) {
      if (!schema[key].exists()) continue;
      const bool contains = into == &s.items && s.contains != none;
      if (alone && !contains && *into == none)
        *into = child(schema, key, place);
      else if (*into == none)
        leave_unchecked(place, key);
    }
  }

  Value resolve(std::string_view text, std::string& place) {
    if (const auto id = root_["$id"].string();
        id && !id->empty() && text.starts_with(*id) && text.contains('#'))
      text = text.substr(text.find('#'));
    if (text == "#" || text.empty()) {
      place.clear();
      return root_;
    }
    if (!text.starts_with('#')) {
      refuse(Code::unsupported, place,
             std::format("$ref \"{}\" leaves the schema; nothing is fetched",
                         base::printable(text.substr(0, 100))));
      return {};
    }
    text.remove_prefix(1);
    const Value target = text.starts_with('/') ? follow(text) : find_anchor(root_, text);
    if (!target.exists())
      refuse(Code::invalid, place,
             std::format("$ref \"#{}\" points to nothing", base::printable(text.substr(0, 100))));
    else
      place = text;
    return target;
  }

  Value follow(std::string_view pointer) const {
    Value value = root_;
    while (!pointer.empty() && value.exists()) {
      pointer.remove_prefix(1);
      const std::string_view segment = pointer.substr(0, pointer.find('/'));
      pointer.remove_prefix(segment.size());
      value = value.is_array() ? element(value, segment) : value[unescaped(segment)];
    }
    return value;
  }

  static Value element(Value array, std::string_view digits) {
    std::size_t index = 0;
    if (digits.empty() || digits.size() > 6) return {};
    for (const char c : digits) {
      if (c < '0' || c > '9') return {};
      index = index * 10 + static_cast<std::size_t>(c - '0');
    }
    return array.at(index);
  }

  // "~1" -> "/", "~0" -> "~", and the percent escapes of a URI fragment.
  static std::string unescaped(std::string_view segment) {
    std::string plain;
    for (std::size_t i = 0; i < segment.size(); ++i) {
      if (segment[i] == '%' && i + 2 < segment.size())
        if (const auto byte = base::from_hex(segment.substr(i + 1, 2))) {
          plain += *byte;
          i += 2;
          continue;
        }
      plain += segment[i];
    }
    std::string out;
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const bool escape =
          plain[i] == '~' && i + 1 < plain.size() && (plain[i + 1] == '0' || plain[i + 1] == '1');
      if (escape)
        out += plain[++i] == '1' ? '/' : '~';
      else
        out += plain[i];
    }
    return out;
  }

  // The subtree that names itself so; depth is that of the parsed tree.
  Value find_anchor(Value tree, std::string_view anchor) const {
    if (tree.is_object()) {
      if (tree["$anchor"].string() == anchor) return tree;
      if (const auto id = tree["$id"].string();
          id && id->starts_with('#') && id->substr(1) == anchor)
        return tree;
      for (const json::Member member : tree.members())
        if (const Value found = find_anchor(member.value, anchor); found.exists()) return found;
    }
    for (const Value element : tree.elements())
      if (const Value found = find_anchor(element, anchor); found.exists()) return found;
    return {};
  }

  Value root_;
  const SchemaLimits& limits_;
  std::vector<Subschema>& out_;
  std::vector<std::string>& unchecked_;
  std::map<const json::Node*, std::uint32_t> known_;
  std::vector<Reference> references_;
  bool old_ = false;
  bool failed_ = false;
  base::Error error_;
};

// One validation. `quiet` runs only ask whether a subschema holds.
class Validator {
 public:
  Validator(std::span<const Subschema> subschemas, const SchemaLimits& limits)
      : subschemas_(subschemas), limits_(limits), work_(limits.work) {}

  Validation run(Value value) {
    check(0, value);
    Validation result;
    result.violations = std::move(violations_);
    result.complete = !exhausted_;
    if (exhausted_)
      result.violations.push_back({path_, "is too complex to be validated against its schema"});
    return result;
  }

 private:
  // All return whether the value holds; violations are collected unless quiet.
  bool check(std::uint32_t index, Value value) {
    if (index == none) return true;
    if (!spend(1) || depth_ >= limits_.depth) {
      exhausted_ = true;
      return false;
    }
    ++depth_;
    const Subschema& s = subschemas_[index];
    bool good = check_value(s, value);
    // A value of the wrong type gets one sentence, not one per keyword.
    if (good || quiet_ == 0) {
      const bool typed = s.types == 0 || (type_of(value) & s.types) != 0;
      if (typed && !s.never) good = check_parts(s, value) && good;
    }
    --depth_;
    return good;
  }

  bool check_value(const Subschema& s, Value value) {
    if (s.never) return violate("is not allowed here");
    if (s.types != 0 && (type_of(value) & s.types) == 0)
      return violate(std::format("must be {}, is {}", phrase_of(s.types), shown(value)));
    bool good = true;
    if (s.constant.exists() && !same(value, s.constant))
      good = violate(std::format("must be {}, is {}", shown(s.constant), shown(value)));
    if (s.has_allowed &&
        std::ranges::none_of(s.allowed, [&](Value one) { return same(value, one); })) {
      std::string words;
      for (std::size_t i = 0; i < s.allowed.size() && i < 12; ++i)
        words += std::format("{}{}", i == 0 ? "" : ", ", shown(s.allowed[i]));
      if (s.allowed.size() > 12) words += ", ...";
      good = violate(std::format("must be one of {}; is {}", words, shown(value)));
    }
    if (value.is_number()) good = check_number(s, value) && good;
    if (value.is_string()) good = check_text(s, *value.string()) && good;
    return good;
  }

  bool check_number(const Subschema& s, Value value) {
    bool good = true;
    const auto bound = [&](Value limit, bool holds, std::string_view words) {
      if (limit.exists() && !holds)
        good = violate(std::format("must be {} {}, is {}", words, limit.digits(),
                                   value.digits().substr(0, 40)));
    };
    if (s.minimum.exists()) bound(s.minimum, compare(value, s.minimum) >= 0, "at least");
    if (s.maximum.exists()) bound(s.maximum, compare(value, s.maximum) <= 0, "at most");
    if (s.above.exists()) bound(s.above, compare(value, s.above) > 0, "above");
    if (s.below.exists()) bound(s.below, compare(value, s.below) < 0, "below");
    if (s.multiple.exists()) bound(s.multiple, is_multiple(value, s.multiple), "a multiple of");
    return good;
  }

  bool check_text(const Subschema& s, std::string_view text) {
    bool good = true;
    if (s.min_length || s.max_length) {
      spend(text.size() / 16);
      const std::uint64_t length = code_points(text);
      if (s.min_length && length < *s.min_length)
        good =
            violate(std::format("must have at least {} characters, has {}", *s.min_length, length));
      if (s.max_length && length > *s.max_length)
        good =
            violate(std::format("must have at most {} characters, has {}", *s.max_length, length));
    }
    for (const TextRule& rule : s.texts) {
      const bool found = rule.pattern.found_in(text, &work_);
      if (work_ == 0) exhausted_ = true;
      if (!found) good = violate("must " + rule.words);
    }
    return good;
  }

  bool check_parts(const Subschema& s, Value value) {
    bool good = true;
    if (value.is_array()) good = check_array(s, value);
    if (value.is_object()) good = check_object(s, value) && good;
    good = check(s.reference, value) && good;
    for (const std::uint32_t one : s.all_of) good = check(one, value) && good;
    if (!s.any_of.empty()) good = check_choice(s.any_of, value, false) && good;
    if (!s.one_of.empty()) good = check_choice(s.one_of, value, true) && good;
    if (s.negated != none && holds(s.negated, value) && !exhausted_)
      good = violate("is of a form that is excluded here");
    if (s.condition != none)
      good = check(holds(s.condition, value) ? s.then : s.otherwise, value) && good;
    return good;
  }

  bool check_array(const Subschema& s, Value value) {
    bool good = true;
    const std::uint64_t size = value.size();
    if (s.min_items && size < *s.min_items)
      good = violate(std::format("must have at least {} elements, has {}", *s.min_items, size));
    if (s.max_items && size > *s.max_items)
      good = violate(std::format("must have at most {} elements, has {}", *s.max_items, size));
    std::uint64_t contained = 0;
    for (std::size_t i = 0; const Value element : value.elements()) {
      const std::uint32_t schema = i < s.prefix.size() ? s.prefix[i] : s.items;
      if (schema != none) {
        const std::size_t length = path_.size();
        path_ += std::format("/{}", i);
        good = check(schema, element) && good;
        path_.resize(length);
      }
      if (s.contains != none && holds(s.contains, element)) ++contained;
      ++i;
      if (exhausted_) return false;
    }
    if (s.contains != none) {
      if (contained < s.min_contains.value_or(1))
        good = violate(std::format("must contain {} element(s) of a given form, has {}",
                                   s.min_contains.value_or(1), contained));
      if (s.max_contains && contained > *s.max_contains)
        good = violate(std::format("must contain at most {} element(s) of a given form, has {}",
                                   *s.max_contains, contained));
    }
    if (s.unique && !all_different(value))
      good = violate("must not contain the same element twice");
    return good;
  }

  bool all_different(Value array) {
    std::vector<std::string> forms;
    forms.reserve(array.size());
    for (const Value element : array.elements()) {
      forms.push_back(json::canonical(element));
      if (!spend(1 + forms.back().size() / 16)) return true;
    }
    std::ranges::sort(forms);
    return std::ranges::adjacent_find(forms) == forms.end();
  }

  bool check_object(const Subschema& s, Value value) {
    bool good = true;
    const std::uint64_t size = value.size();
    if (s.min_properties && size < *s.min_properties)
      good = violate(std::format("must have at least {} members, has {}", *s.min_properties, size));
    if (s.max_properties && size > *s.max_properties)
      good = violate(std::format("must have at most {} members, has {}", *s.max_properties, size));
    for (const std::string_view name : s.required)
      if (!value[name].exists())
        good = violate(std::format("needs the member \"{}\"", base::printable(name)));
    for (const Dependency& dependency : s.dependencies) {
      if (!value[dependency.name].exists()) continue;
      for (const std::string_view name : dependency.required)
        if (!value[name].exists())
          good = violate(std::format("needs the member \"{}\" beside \"{}\"", base::printable(name),
                                     base::printable(dependency.name)));
      good = check(dependency.schema, value) && good;
    }
    if (s.properties.empty() && s.patterns.empty() && s.additional == none && s.names == none)
      return good;
    for (const json::Member member : value.members()) {
      good = check_member(s, member) && good;
      if (exhausted_) return false;
    }
    return good;
  }

  bool check_member(const Subschema& s, json::Member member) {
    bool good = true, known = false;
    spend(1 + s.properties.size() / 8);
    const std::size_t length = path_.size();
    escape_segment(member.key, path_);
    if (const auto own = std::ranges::find(s.properties, member.key, &Named::name);
        own != s.properties.end()) {
      known = true;
      good = check(own->schema, member.value);
    }
    for (const Matched& one : s.patterns) {
      if (!one.pattern.found_in(member.key, &work_)) continue;
      known = true;
      good = check(one.schema, member.value) && good;
    }
    if (s.names != none) {
      std::string name;
      json::write_string(member.key, name);
      if (const auto document = json::Document::parse(name);
          !document || !holds(s.names, document->root()))
        good = violate("has a name that is not allowed here");
    }
    if (!known && s.additional != none) {
      if (subschemas_[s.additional].never)
        good = unknown_member(s, member.key);
      else
        good = check(s.additional, member.value) && good;
    }
    path_.resize(length);
    return good;
  }

  bool unknown_member(const Subschema& s, std::string_view key) {
    std::vector<std::string_view> names;
    for (const Named& property : s.properties) names.push_back(property.name);
    std::string words = "is not a member that is allowed here";
    if (const auto near = base::nearest(key, names))
      words += std::format("; did you mean \"{}\"?", base::printable(*near));
    return violate(words);
  }

  bool check_choice(std::span<const std::uint32_t> choices, Value value, bool exactly_one) {
    std::size_t held = 0;
    std::vector<Violation> closest;
    for (const std::uint32_t choice : choices) {
      std::vector<Violation> before = std::exchange(violations_, {});
      const bool good = check(choice, value);
      std::vector<Violation> own = std::exchange(violations_, std::move(before));
      if (exhausted_) return false;
      if (good) {
        ++held;
        if (!exactly_one) return true;
      } else if (quiet_ == 0 && (closest.empty() || reach(own) > reach(closest))) {
        closest = std::move(own);
      }
    }
    if (held == 1) return true;
    if (held > 1)
      return violate(
          std::format("must match exactly one of {} forms, matches {}", choices.size(), held));
    std::string words =
        std::format("matches none of the {} forms that are allowed", choices.size());
    if (!closest.empty()) {
      const Violation& first = closest.front();
      const std::string_view below =
          std::string_view(first.pointer).substr(std::min(path_.size(), first.pointer.size()));
      words += std::format("; the closest says: {}{}{}", below, below.empty() ? "" : " ",
                           first.sentence);
    }
    return violate(words);
  }

  // How far into the value a branch got before something was wrong; fewer complaints win among
  // equals.
  static std::pair<std::size_t, std::size_t> reach(const std::vector<Violation>& violations) {
    std::size_t deepest = 0;
    for (const Violation& violation : violations)
      deepest = std::max(deepest, violation.pointer.size());
    return {deepest, 1000 - std::min<std::size_t>(violations.size(), 1000)};
  }

  bool holds(std::uint32_t index, Value value) {
    ++quiet_;
    const bool good = check(index, value);
    --quiet_;
    return good;
  }

  bool same(Value a, Value b) {
    if (a.is_object() || a.is_array()) spend(a.node()->span);
    return equal(a, b);
  }

  bool violate(std::string sentence) {
    if (quiet_ == 0 && violations_.size() < limits_.violations)
      violations_.push_back({path_, std::move(sentence)});
    return false;
  }

  bool spend(std::uint64_t amount) {
    if (work_ > amount) {
      work_ -= amount;
      return true;
    }
    work_ = 0;
    exhausted_ = true;
    return false;
  }

  std::span<const Subschema> subschemas_;
  const SchemaLimits& limits_;
  std::uint64_t work_;
  std::uint32_t depth_ = 0;
  int quiet_ = 0;
  bool exhausted_ = false;
  std::string path_;
  std::vector<Violation> violations_;
};

}  // namespace

Schema::Schema(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
Schema::Schema(Schema&&) noexcept = default;
Schema& Schema::operator=(Schema&&) noexcept = default;
Schema::~Schema() = default;

base::Result<Schema> Schema::compile(Value schema, const SchemaLimits& limits) {
  if (!schema.exists()) return base::fail(Code::invalid, "there is no schema");
  auto own = json::Document::parse(json::to_string(schema), {.depth = 64, .allow_nul = true});
  if (!own) return base::within("schema", std::move(own).error());
  auto empty = json::Document::parse("{}");
  if (!empty) return std::unexpected(std::move(empty).error());
  auto program = std::make_unique<Program>(*std::move(own), *std::move(empty));
  program->limits = limits;
  SchemaCompiler compiler(program->source.root(), program->limits, program->subschemas,
                          program->unchecked);
  if (auto done = compiler.run(); !done) return std::unexpected(std::move(done).error());
  return Schema(std::move(program));
}

Validation Schema::validate(Value value) const {
  if (!value.exists()) value = program_->empty.root();
  return Validator(program_->subschemas, program_->limits).run(value);
}

const std::vector<std::string>& Schema::unchecked() const { return program_->unchecked; }

std::string Validation::text() const {
  std::string out;
  for (const Violation& violation : violations) {
    if (!out.empty()) out += '\n';
    out += violation.pointer.empty()
               ? "arguments"
               : base::printable(std::string_view(violation.pointer).substr(1));
    out += ": " + violation.sentence;
  }
  return out;
}

}  // namespace latticegate::inspect
