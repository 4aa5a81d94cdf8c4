// The parser of what stands between the braces of `temporal { ... }`.
#pragma once
#include "cedar/detail/cursor.h"
#include "cedar/temporal.h"

namespace latticegate::cedar {

// Reads a condition up to the closing brace, which stays. Null after the cursor has noted an error.
const TemporalFormula* parse_formula(Cursor& cursor);

}  // namespace latticegate::cedar
