// CRC-32C (Castagnoli, reflected, as in iSCSI and ext4): finds torn and rotten bytes on disk. No
// protection against anybody who wants to change them.
#pragma once
#include <cstdint>

#include "base/bytes.h"

namespace latticegate::crypto {

// The checksum of the bytes. To go on over several pieces pass the result so far: crc32c(b,
// crc32c(a)) is that of a||b. Uses the processor's instruction where it has one, else tables.
std::uint32_t crc32c(base::ByteView bytes, std::uint32_t so_far = 0);

// The same from tables only; public so that a test can compare the two.
std::uint32_t crc32c_portable(base::ByteView bytes, std::uint32_t so_far = 0);

}  // namespace latticegate::crypto
