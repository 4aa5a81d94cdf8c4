// The key of the pseudonyms in a log (identity/pseudonym.h): audit-pseudonyms.key in the folder of
// the log's keys, 64 hexadecimal digits, mode 0600.
//
// Whoever loses it can no longer tell who was meant; people get other pseudonyms from then on.
#pragma once
#include <filesystem>

#include "base/result.h"
#include "crypto/secret.h"

namespace latticegate::store {

// Code::not_found: there is none and none may be made. Code::forbidden: others may read it.
[[nodiscard]] base::Result<crypto::Secret> open_pseudonym_key(const std::filesystem::path& folder,
                                                              bool may_make);

}  // namespace latticegate::store
