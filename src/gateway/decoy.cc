#include "gateway/decoy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <format>

#include "inspect/planted.h"
#include "inspect/schema.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

constexpr std::size_t most_values = 400;
constexpr std::size_t deepest = 12;
constexpr std::size_t usual_items = 4;
constexpr std::size_t most_items = 20;

constexpr auto first_names = std::to_array<std::string_view>(
    {"Nora", "Elias", "Mina", "Jonas", "Clara", "Tariq", "Ines", "Pavel", "Ruth", "Oskar"});
constexpr auto last_names = std::to_array<std::string_view>(
    {"Marlow", "Brandt", "Okafor", "Lindqvist", "Varga", "Duarte", "Kessler", "Amari", "Holm"});

class Maker {
 public:
  Maker(json::Value root, std::string_view key, crypto::Random& random)
      : root_(root), key_(key), random_(random) {}

  // False when it cannot be made.
  bool value(json::Value schema, std::string_view name, std::size_t depth, std::string& out) {
    if (++made_ > most_values || depth > deepest) return false;
    if (const json::Value fixed = schema["const"]; fixed.exists())
      return json::write(fixed, out), true;
    if (const json::Value list = schema["enum"]; list.size() > 0)
      return json::write(list.at(below(list.size())), out), true;
    if (const json::Value reference = schema["$ref"]; reference.is_string())
      return value(target(reference.text_or({})), name, depth + 1, out);
    for (const std::string_view union_of : {"allOf", "anyOf", "oneOf"})
      if (const json::Value list = schema[union_of];
          list.size() > 0 && !schema["properties"].exists())
        return value(list.at(0), name, depth + 1, out);
    const json::Value type = schema["type"];
    std::string_view kind = type.is_array() ? type.at(0).text_or({}) : type.text_or({});
    if (kind == "null" && type.size() > 1) kind = type.at(1).text_or({});
    if (kind.empty())
      kind = schema["properties"].exists() ? "object"
             : schema["items"].exists()    ? "array"
                                           : "string";
    if (kind == "object") return object(schema, depth, out);
    if (kind == "array") return array(schema, name, depth, out);
    if (kind == "integer" || kind == "number") return out += number(schema), true;
    if (kind == "boolean") return out += below(2) == 0 ? "true" : "false", true;
    if (kind == "null") return out += "null", true;
    json::write_string(text(schema["format"].text_or({}), name), out);
    return true;
  }

  // For people, one a line.
  std::string lines() {
    std::string out;
    for (std::size_t i = 0; i < usual_items; ++i) {
      person();
      out += std::format("{}{} <{}>, reference {}", out.empty() ? "" : "\n", full_name(), address(),
                         mark());
    }
    return out;
  }
  std::size_t marks() const { return marks_; }

 private:
  std::uint64_t next() {
    std::array<std::byte, 8> bytes{};
    random_.fill(bytes);
    std::uint64_t number = 0;
    for (const std::byte byte : bytes) number = number << 8 | std::to_integer<std::uint64_t>(byte);
    return number;
  }
  std::size_t below(std::size_t n) { return next() % n; }
  void person() {
    first_ = first_names.at(below(first_names.size()));
    last_ = last_names.at(below(last_names.size()));
  }
  std::string full_name() const { return std::format("{} {}", first_, last_); }
  std::string mark() {
    ++marks_;
    return inspect::plant(key_, random_);
  }
  std::string address() {
    std::string local = std::format("{}.{}", first_, last_);
    for (char& c : local)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    return std::format("{}+{}@mail.example", local, mark());
  }

  json::Value target(std::string_view pointer) const {
    if (!pointer.starts_with("#/")) return pointer == "#" ? root_ : json::Value();
    json::Value at = root_;
    pointer.remove_prefix(2);
    while (!pointer.empty()) {
      const std::size_t slash = std::min(pointer.find('/'), pointer.size());
      at = at[pointer.substr(0, slash)];
      pointer.remove_prefix(std::min(slash + 1, pointer.size()));
    }
    return at;
  }

  bool object(json::Value schema, std::size_t depth, std::string& out) {
    person();
    out += '{';
    bool first = true;
    for (const json::Member member : schema["properties"].members()) {
      std::string inner;
      if (!value(member.value, member.key, depth + 1, inner)) {
        const auto needed = schema["required"].elements();
        if (std::ranges::any_of(needed,
                                [&](json::Value name) { return name.text_or({}) == member.key; }))
          return false;
        continue;
      }
      if (!std::exchange(first, false)) out += ',';
      json::write_string(member.key, out);
      out += ':' + inner;
    }
    out += '}';
    return true;
  }

  bool array(json::Value schema, std::string_view name, std::size_t depth, std::string& out) {
    const auto bound = [&](std::string_view key, std::size_t otherwise) {
      return static_cast<std::size_t>(std::clamp<std::int64_t>(
          schema[key].integral().value_or(static_cast<std::int64_t>(otherwise)), 0, most_items));
    };
    const std::size_t least = bound("minItems", 0);
    const std::size_t count = std::min(std::max(usual_items, least), bound("maxItems", most_items));
    out += '[';
    for (std::size_t i = 0; i < count; ++i) {
      std::string inner;
      if (!value(schema["items"], name, depth + 1, inner)) {
        if (i < std::max<std::size_t>(1, least)) return false;
        break;
      }
      out += (i > 0 ? "," : "") + inner;
    }
    out += ']';
    return true;
  }

  std::string number(json::Value schema) {
    constexpr double most = 1e9;
    const double low = std::clamp(
        schema["minimum"].number().value_or(schema["exclusiveMinimum"].number().value_or(0) + 1),
        -most, most);
    const double high =
        std::clamp(schema["maximum"].number().value_or(
                       schema["exclusiveMaximum"].number().value_or(low + 5000) - 1),
                   low, most);
    const double step = schema["multipleOf"].number().value_or(1);
    const auto span = static_cast<std::size_t>(std::max(0.0, high - low)) + 1;
    double out = std::ceil(low) + static_cast<double>(below(span));
    if (step >= 1) out = std::ceil(out / step) * step;
    return std::format("{}", static_cast<std::int64_t>(out));
  }

  std::string text(std::string_view format, std::string_view name) {
    std::string word(name);
    for (char& c : word)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    const auto says = [&](std::initializer_list<std::string_view> parts) {
      return std::ranges::any_of(parts, [&](std::string_view part) { return word.contains(part); });
    };
    if (first_.empty()) person();
    if (format == "uuid") return inspect::as_uuid(mark());
    if (format == "email" || says({"mail"})) return address();
    if (format == "uri" || format == "url" || says({"url", "link"}))
      return std::format("https://files.example/r/{}", mark());
    if (format == "date-time")
      return std::format("2026-0{}-1{}T0{}:2{}:00Z", 1 + below(9), below(9), below(9), below(9));
    if (format == "date" || says({"date", "birth"}))
      return std::format("2026-0{}-1{}", 1 + below(9), below(9));
    if (format == "time") return std::format("0{}:1{}:00Z", below(9), below(9));
    if (format == "ipv4") return std::format("192.0.2.{}", 1 + below(250));
    if (format == "ipv6") return std::format("2001:db8::{:x}", 1 + below(60'000));
    if (format == "hostname" || says({"host", "domain"})) return std::format("{}.example", mark());
    if (says({"first"})) return std::string(first_);
    if (says({"last", "surname"})) return std::string(last_);
    if (says({"name", "owner", "customer", "user"})) return full_name();
    if (says({"phone", "mobile"})) return std::format("+1 555 010 {:04}", below(10'000));
    if (says({"status", "state"})) return "active";
    if (says({"currency"})) return "EUR";
    if (says({"country"})) return "NL";
    if (says({"city"})) return "Utrecht";
    return mark();
  }

  json::Value root_;
  std::string_view key_;
  crypto::Random& random_;
  std::string_view first_;
  std::string_view last_;
  std::size_t made_ = 0;
  std::size_t marks_ = 0;
};

std::string result_of(std::string_view text, std::string_view structured) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .key("content")
      .begin_array()
      .begin_object()
      .member("type", "text")
      .member("text", text)
      .end_object()
      .end_array();
  if (!structured.empty()) writer.key("structuredContent").raw(structured);
  writer.end_object();
  return out;
}

}  // namespace

Decoy make_decoy(json::Value schema, std::string_view key, crypto::Random& random) {
  if (schema.is_object()) {
    Maker maker(schema, key, random);
    std::string made;
    if (maker.value(schema, {}, 0, made)) {
      const auto document = json::Document::parse(made);
      const auto compiled = inspect::Schema::compile(schema);
      if (document && document->root().is_object() && compiled &&
          compiled->validate(document->root()).valid())
        return {result_of(made, made), maker.marks()};
    }
  }
  Maker maker({}, key, random);
  const std::string text = maker.lines();
  return {result_of(text, {}), maker.marks()};
}

}  // namespace latticegate::gateway
