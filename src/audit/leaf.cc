#include "audit/leaf.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace latticegate::audit {

std::string_view type_of(std::string_view leaf) {
  // From the back: behind its type a record has strings and numbers only, and in strings these
  // bytes cannot stand.
  constexpr std::string_view name = R"(,"type":")";
  constexpr std::size_t word = 8;
  const auto word_at = [](const char* from) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, from, word);
    return bytes;
  };
  if (leaf.size() < name.size()) return {};
  const std::uint64_t wanted = word_at(name.data());
  std::size_t at = leaf.size() - name.size();
  while (word_at(leaf.data() + at) != wanted || leaf[at + word] != name.back())
    if (at-- == 0) return {};
  const std::size_t begin = at + name.size();
  return leaf.substr(begin, leaf.find('"', begin) - begin);
}

}  // namespace latticegate::audit
