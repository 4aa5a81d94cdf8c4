#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "inspect/detail/subschema.h"
#include "json/write.h"

namespace latticegate::inspect {
namespace {

using base::Code;
using json::Value;

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
      const auto known = std::ranges::find(types, word.text_or(""), &SchemaTypeName::word);
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

}  // namespace

base::Result<void> compile_subschemas(Value root, const SchemaLimits& limits,
                                      std::vector<Subschema>& out,
                                      std::vector<std::string>& unchecked) {
  return SchemaCompiler(root, limits, out, unchecked).run();
}

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

// A value as it may stand in a sentence.
std::string shown(Value value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return std::format("an array of {}", value.size());
  constexpr std::size_t longest = 48;
  const std::string text = base::printable(json::to_string(value));
  return text.size() <= longest ? text : text.substr(0, longest) + "...";
}

}  // namespace latticegate::inspect
