// Strict YAML: whatever comes in, there is a tree or one error with a place, and each tree has a
// JSON form that parses.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "json/value.h"
#include "yaml/json_text.h"
#include "yaml/node.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latticegate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto node = yaml::parse(text, "input", {.size = {65536}});
  if (!node) {
    base::check(node.error().detail.starts_with("input:"), "every error names its place");
    return 0;
  }
  if (const auto json = yaml::to_json(*node)) {
    const auto document = json::Document::parse(*json, {.depth = 64});
    base::check(document.has_value(), "the JSON form parses");
  }
  return 0;
}
