// Characters that look like Latin letters.
#pragma once
#include <cstddef>
#include <string_view>

namespace latticegate::inspect {

struct Folded {
  char letter = 0;        // lower case
  std::size_t bytes = 0;  // of the text; 0: nothing to fold
};
// What the first character of the text looks like, if it is of another script or a full-width form.
Folded fold_look(std::string_view text);

}  // namespace latticegate::inspect
