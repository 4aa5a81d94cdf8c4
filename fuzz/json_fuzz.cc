// The JSON reader: whatever is accepted is written back, read again, and is the same; canonical
// text is a fixed point.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "json/value.h"
#include "json/write.h"

using namespace latticegate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
  const auto document = json::Document::parse(
      text, {.size = {1 << 20}, .depth = 64, .nodes = 100'000, .allow_nul = size % 2 == 0});
  if (!document) return 0;
  const std::string written = json::to_string(document->root());
  const auto again = json::Document::parse(
      written, {.size = {8 << 20}, .depth = 64, .nodes = 100'000, .allow_nul = size % 2 == 0});
  if (!again || json::to_string(again->root()) != written) std::abort();
  const std::string canonical = json::canonical(document->root());
  const auto fixed = json::Document::parse(
      canonical, {.size = {8 << 20}, .depth = 64, .nodes = 100'000, .allow_nul = size % 2 == 0});
  if (!fixed || json::canonical(fixed->root()) != canonical) std::abort();
  return 0;
}
