// Files that hold a secret, for their owner only.
//
// Errors: Code::forbidden: others may read it; Code::too_large; Code::io; Code::conflict: the name
// is taken.
#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "crypto/secret.h"

namespace latticegate::store {

// The whole file; nothing when there is none.
[[nodiscard]] base::Result<std::optional<crypto::Secret>> read_secret_file(
    const std::filesystem::path& path, std::size_t limit);

// Durable under its name or not there at all; never over a file that exists.
[[nodiscard]] base::Result<void> write_secret_file(const std::filesystem::path& path,
                                                   std::string_view text);
// The same in place of one that exists.
[[nodiscard]] base::Result<void> replace_secret_file(const std::filesystem::path& path,
                                                     std::string_view text);
// Gives it another name, durably, in place of what had that name.
[[nodiscard]] base::Result<void> rename_secret_file(const std::filesystem::path& from,
                                                    const std::filesystem::path& to);
// Overwrites the bytes, as far as the file system does that in place, and takes the name away,
// durably. Fine if there is none.
[[nodiscard]] base::Result<void> destroy_secret_file(const std::filesystem::path& path);

}  // namespace latticegate::store
