// Patterns: first line the pattern, the rest the text. Whatever compiles runs in linear time, and a
// match found at a place is also found by the search.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "inspect/pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latticegate;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  const auto pattern = inspect::Pattern::compile(input.substr(0, line));
  if (!pattern) return 0;
  const std::string_view text = input.substr(line + 1, 512);
  const bool found = pattern->found_in(text);
  std::uint64_t work = 100'000'000;
  const auto end = pattern->match_at(text, 0, &work);
  base::check(!end || *end <= text.size(), "a match lies in the text");
  base::check(!end || found, "what matches at the start is found");
  return 0;
}
