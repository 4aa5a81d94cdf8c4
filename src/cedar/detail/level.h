// How many entities in a row a typed policy reads.
#pragma once
#include <functional>

#include "cedar/detail/checker.h"

namespace latticegate::cedar {

// Reports every place of the policy that reads more than `level` entities in a row, or one that is
// written out: whoever loads entities by level could not know that it is needed. `types` comes from
// a check of the policy; what has no type there was not looked at and is not counted.
void check_level(const Policy& policy, std::uint32_t level, const TypeMap& types, Checker& checker,
                 const Checker::Report& report);

}  // namespace latticegate::cedar
