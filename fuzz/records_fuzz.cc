// Counting never fails, and never counts more than there are bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "behaviour/records.h"

namespace behaviour = latticegate::behaviour;
namespace json = latticegate::json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (behaviour::count_records_in_text(text) > size) std::abort();
  (void)behaviour::sql_limit(text);
  if (const auto document = json::Document::parse(text)) {
    if (behaviour::count_records(document->root()) > size) std::abort();
    (void)behaviour::asked_records(document->root());
  }
  return 0;
}
