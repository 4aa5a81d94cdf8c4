// Texts that only a holder of the key can read or make: AES-256-GCM (NIST SP 800-38D) with a random
// nonce of 96 bits in front. One key is good for 2^32 texts.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "crypto/random.h"

namespace latticegate::crypto {

inline constexpr std::size_t aead_key_size = 32;  // bytes; another size aborts

// `about` is not in the result, but open() needs the same.
std::string seal(std::string_view key, std::string_view text, std::string_view about,
                 Random& random);
// Nothing for what seal() did not make with this key and `about`.
std::optional<std::string> open(std::string_view key, std::string_view sealed,
                                std::string_view about);

}  // namespace latticegate::crypto
