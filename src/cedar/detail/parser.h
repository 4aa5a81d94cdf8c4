// The parser of policy text: tokens to policies and expressions in an arena.
#pragma once
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/arena.h"
#include "cedar/detail/lexer.h"
#include "cedar/policy_set.h"

namespace latticegate::cedar {

// The policies and templates of a file, without ids. `file` and `arena` must outlive them.
[[nodiscard]] base::Result<std::vector<Policy>> parse_policy_text(const SourceFile& file,
                                                                  Arena& arena,
                                                                  const PolicyLimits& limits);

// Code::malformed unless the text is UTF-8; names the first line that is not.
[[nodiscard]] base::Result<void> check_encoding(const SourceFile& file);

}  // namespace latticegate::cedar
