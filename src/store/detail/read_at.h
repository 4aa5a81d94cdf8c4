// Reading at a place of an open file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace latticegate::store {

// Up to `size` bytes at the offset; fewer only at the end of the file. The path is for the error.
[[nodiscard]] base::Result<std::string> read_at(int descriptor, std::uint64_t offset,
                                                std::size_t size,
                                                const std::filesystem::path& path);

}  // namespace latticegate::store
