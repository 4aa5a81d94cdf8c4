// The layout of policy text: the same policies, in the same order, with all their comments, in
// lines of at most 100 columns where that is possible. Formatting what is formatted changes
// nothing.
//
// A comment on a line of its own stays on one, before what it stood before; a comment at the end of
// a line stays at the end of one, or moves above it. Strings are never touched.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace latticegate::cedar {

// Errors are those of parsing. `file` is for messages.
[[nodiscard]] base::Result<std::string> format_policies(std::string_view text,
                                                        std::string_view file = "policies.cedar");

}  // namespace latticegate::cedar
