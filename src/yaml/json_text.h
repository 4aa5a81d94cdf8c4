// YAML to JSON, by the core schema of YAML 1.2: for schemas, arguments and expectations written in
// YAML files.
#pragma once
#include <string>

#include "base/result.h"
#include "yaml/node.h"

namespace latticegate::yaml {

// JSON text of the tree, without white space, keys in order. Unquoted null, ~, true, false (also
// True, TRUE, ...), decimal, 0o and 0x integers and decimal fractions become what they look like;
// digits are kept, so nothing is rounded. Refused: .inf and .nan, and hexadecimal or octal integers
// above 64 bits. Everything else is a string.
[[nodiscard]] base::Result<std::string> to_json(const Node& node);

}  // namespace latticegate::yaml
