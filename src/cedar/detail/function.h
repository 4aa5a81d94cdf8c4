// The functions of the extension types by name; their public side is in cedar/expression.h.
#pragma once
#include <string_view>
#include <vector>

#include "cedar/expression.h"

namespace latticegate::cedar {

// Of all methods, or of all that are none; for suggestions.
std::vector<std::string_view> function_names(bool methods);

}  // namespace latticegate::cedar
