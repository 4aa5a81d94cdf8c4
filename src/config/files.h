// Configuration from the disk: the machine's files and environment around config/read.h.
#pragma once
#include <filesystem>

#include "base/bytes.h"
#include "base/result.h"
#include "config/read.h"

namespace latticegate::config {

inline constexpr base::Bytes longest_file{4 * 1024 * 1024};

// The machine as it is now.
Surroundings machine();

// Reads one file. Blocking; for start and reload, not for an event loop.
[[nodiscard]] base::Result<Loaded> load(const std::filesystem::path& file);

}  // namespace latticegate::config
