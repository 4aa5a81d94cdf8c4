#include "inspect/schema.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <span>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/suggest.h"
#include "inspect/detail/subschema.h"
#include "json/write.h"

namespace latticegate::inspect {

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

using base::Code;
using json::Value;

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

std::string phrase_of(std::uint8_t mask) {
  std::string out;
  for (const SchemaTypeName& type : types) {
    if ((mask & type.bit) == 0) continue;
    if (!out.empty()) out += " or ";
    out += type.phrase;
  }
  return out;
}

// One validation. `quiet` runs only ask whether a subschema holds.
class Validator {
 public:
  Validator(std::span<const Subschema> subschemas, const SchemaLimits& limits)
      : subschemas_(subschemas), limits_(limits), work_(limits.work) {
    path_.reserve(8);
  }

  Validation run(Value value) {
    check(0, value);
    Validation result;
    result.violations = std::move(violations_);
    result.complete = !exhausted_;
    if (exhausted_)
      result.violations.push_back({pointer(), "is too complex to be validated against its schema"});
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
        path_.push_back({.index = i});
        good = check(schema, element) && good;
        path_.pop_back();
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
    path_.push_back({.key = member.key, .is_key = true});
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
    path_.pop_back();
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
          std::string_view(first.pointer).substr(std::min(pointer().size(), first.pointer.size()));
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

  // Where the value stands that is being looked at, as a JSON pointer. Made only for a violation.
  std::string pointer() const {
    std::string out;
    for (const Step& step : path_) {
      if (step.is_key)
        escape_segment(step.key, out);
      else
        out += std::format("/{}", step.index);
    }
    return out;
  }

  bool violate(std::string sentence) {
    if (quiet_ == 0 && violations_.size() < limits_.violations)
      violations_.push_back({pointer(), std::move(sentence)});
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
  struct Step {
    std::string_view key{};
    std::size_t index = 0;
    bool is_key = false;
  };
  std::vector<Step> path_;
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
  if (auto done = compile_subschemas(program->source.root(), program->limits, program->subschemas,
                                     program->unchecked);
      !done)
    return std::unexpected(std::move(done).error());
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
