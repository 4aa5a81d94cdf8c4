// ASCII letters, whatever the locale.
#pragma once
#include <string>
#include <string_view>

namespace latticegate::base {

// A to Z as a to z; all other bytes as they are.
inline std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace latticegate::base
