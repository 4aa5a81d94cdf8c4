// Policies as JSON from outside: what is read is written, read again and must be the same; no name
// or string of the JSON may become anything else in the text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cedar/policy_json.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::cedar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65'536) return 0;
  constexpr json::Limits limits{.depth = 1'000, .allow_nul = true};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = json::Document::parse(text, limits);
  if (!document) return 0;
  if (const auto one = policy_text(document->root())) {
    // One policy, whatever stood in the strings.
    const auto set = parse_policies(*one, "one", Naming::by_order);
    if (set && set->size() + set->templates().size() != 1) std::abort();
  }
  const auto set = policies_from_json(document->root());
  if (!set) return 0;
  const std::string written = to_json(*set);
  const auto again_document = json::Document::parse(written, limits);
  // Keys with U+0000 cannot be read; chains lie deeper in JSON than in text.
  if (!again_document) return 0;
  const auto again = policies_from_json(again_document->root());
  if (!again || to_json(*again) != written) std::abort();
  return 0;
}
