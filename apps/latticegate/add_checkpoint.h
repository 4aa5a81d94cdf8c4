// The request that a log makes to its witnesses: its checkpoint, and that it continues an older
// one.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace latticegate::app {

// `old_size`: what the witness signed last, 0 if nothing. The body of C2SP add-checkpoint.
[[nodiscard]] base::Result<std::string> add_checkpoint_request(const std::filesystem::path& log,
                                                               std::uint64_t old_size);

}  // namespace latticegate::app
