// A conversation out of one input: answers of an untrusted and of a sensitive source, then a call.
// What is told names arguments and sources that exist, and memory stays in its bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "provenance/trail.h"

namespace provenance = latticegate::provenance;
namespace json = latticegate::json;
namespace base = latticegate::base;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> labels{"web"};
  provenance::Trail trail({.prints = 256}, {});
  base::Time now{std::chrono::hours(24 * 365)};
  std::size_t line = 0;
  for (std::string_view rest = text; !rest.empty(); ++line) {
    const std::string_view one = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const auto document = json::Document::parse(one);
    if (!document) continue;
    now += std::chrono::seconds(1);
    if (line % 3 == 0)
      trail.after(document->root(), {.server = "a", .subject = "t", .taint = labels}, now);
    else if (line % 3 == 1)
      trail.after(document->root(), {.server = "b", .subject = "t", .sensitive = true}, now);
    const auto origins = trail.before(document->root(), {"c", "send", true}, now);
    if (origins.marks.size() > provenance::Origins::most) std::abort();
    for (const provenance::Mark& mark : origins.marks)
      if (mark.source != "a/t" && mark.source != "b/t") std::abort();
  }
  if (trail.bytes() > std::size_t{1024} * 16) std::abort();
  std::vector<provenance::Value> values;
  provenance::find_values(text, {}, 100, values);
  for (const provenance::Value& value : values)
    if (value.begin >= value.end || value.end > size) std::abort();
  return 0;
}
