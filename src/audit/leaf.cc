#include "audit/leaf.h"

namespace latticegate::audit {

std::string_view type_of(std::string_view leaf) {
  // From the back: behind its type a record has strings and numbers only, and in strings these
  // bytes cannot stand.
  constexpr std::string_view name = R"(,"type":")";
  const std::size_t at = leaf.rfind(name);
  if (at == std::string_view::npos) return {};
  const std::size_t begin = at + name.size();
  return leaf.substr(begin, leaf.find('"', begin) - begin);
}

}  // namespace latticegate::audit
