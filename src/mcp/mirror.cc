#include "mcp/mirror.h"

#include <algorithm>
#include <format>

#include "base/ascii.h"
#include "json/write.h"
#include "mcp/revision.h"

namespace latticegate::mcp {
namespace {

using base::Code;
using base::fail;

constexpr std::string_view annotation = "x-mcp-header";

// RFC 9110, section 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

// How often the annotation stands anywhere below. Depth is bounded by the limits of the parse.
std::size_t count_annotations(json::Value tree) {
  std::size_t count = 0;
  for (const json::Member member : tree.members())
    count += (member.key == annotation ? 1U : 0U) + count_annotations(member.value);
  for (const json::Value element : tree.elements()) count += count_annotations(element);
  return count;
}

base::Result<void> collect(json::Value schema, std::vector<std::string>& path,
                           std::vector<Mirror>& out) {
  for (const json::Member property : schema["properties"].members()) {
    path.emplace_back(property.key);
    if (const json::Value mark = property.value[annotation]; mark.exists()) {
      const auto name = mark.string();
      const std::string_view type = property.value["type"].text_or({});
      if (!name || !is_token(*name))
        return fail(Code::malformed,
                    std::format("x-mcp-header of \"{}\" is no name of a header", property.key));
      if (type != "string" && type != "integer" && type != "boolean")
        return fail(Code::malformed,
                    std::format("x-mcp-header of \"{}\" stands on a value that is no string, "
                                "integer or boolean",
                                property.key));
      std::string header = std::format("Mcp-Param-{}", *name);
      for (const Mirror& other : out)
        if (base::to_lower(other.header) == base::to_lower(header))
          return fail(Code::malformed, std::format("two arguments have x-mcp-header {}", *name));
      out.push_back({path, std::move(header)});
    }
    if (auto inner = collect(property.value, path, out); !inner) return inner;
    path.pop_back();
  }
  return {};
}

json::Value value_at(const Mirror& mirror, json::Value arguments) {
  for (const std::string& step : mirror.path) arguments = arguments[step];
  return arguments;
}

bool equals(json::Value value, std::string_view text) {
  if (const auto string = value.string()) return text == *string;
  if (const auto truth = value.boolean()) return text == (*truth ? "true" : "false");
  const auto number = json::Document::parse(text);
  if (!number || !number->root().is_number()) return false;
  const auto left = value.integral();
  return left ? left == number->root().integral() : value.digits() == number->root().digits();
}

}  // namespace

base::Result<std::vector<Mirror>> mirrors_of(json::Value schema) {
  std::vector<Mirror> mirrors;
  std::vector<std::string> path;
  if (auto collected = collect(schema, path, mirrors); !collected)
    return std::unexpected(std::move(collected).error());
  // A property may be called x-mcp-header: as a key of `properties` it is a schema, not a name.
  std::size_t properties = 0;
  const auto named_so = [&](auto&& self, json::Value tree) -> void {
    for (const json::Member member : tree.members()) {
      if (member.key == "properties" && member.value[annotation].is_object()) ++properties;
      self(self, member.value);
    }
    for (const json::Value element : tree.elements()) self(self, element);
  };
  named_so(named_so, schema);
  if (count_annotations(schema) != mirrors.size() + properties)
    return fail(Code::malformed,
                "x-mcp-header stands where no argument is reached through properties alone");
  return mirrors;
}

std::vector<std::pair<std::string, std::string>> mirrored_headers(
    const std::vector<Mirror>& mirrors, json::Value arguments) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const Mirror& mirror : mirrors) {
    const json::Value value = value_at(mirror, arguments);
    if (value.is_string())
      headers.emplace_back(mirror.header, encode_header_value(*value.string()));
    else if (value.is_number() || value.is_boolean())
      headers.emplace_back(mirror.header, json::to_string(value));
  }
  return headers;
}

std::optional<std::string> mirror_mismatch(
    const std::vector<Mirror>& mirrors, json::Value arguments,
    const std::function<std::optional<std::string_view>(std::string_view)>& header) {
  for (const Mirror& mirror : mirrors) {
    const json::Value value = value_at(mirror, arguments);
    const auto text = header(base::to_lower(mirror.header));
    if (!value.exists() || value.is_null()) {
      if (text) return std::format("the {} header has no argument", mirror.header);
      continue;
    }
    if (!text) return std::format("the {} header is missing", mirror.header);
    const auto decoded = decode_header_value(*text);
    if (!decoded || !equals(value, *decoded))
      return std::format("the {} header differs from the argument", mirror.header);
  }
  return std::nullopt;
}

}  // namespace latticegate::mcp
