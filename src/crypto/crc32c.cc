#include "crypto/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace latticegate::crypto {
namespace {

// tables[k][b]: the effect of byte b followed by k zero bytes, so that eight bytes are taken in one
// step.
constexpr auto tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> all{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    all[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t b = 0; b < 256; ++b)
      all[k][b] = all[k - 1][b] >> 8 ^ all[0][all[k - 1][b] & 0xFF];
  return all;
}();

std::uint32_t byte_of(std::byte b) { return std::to_integer<std::uint32_t>(b); }

#if defined(__x86_64__)
// Bytes that three chains of instructions take at once, each its own part: one chain alone waits
// three cycles for each instruction.
constexpr std::size_t part = 256;

// The effect of `part` zero bytes on a checksum, by its four bytes: what joins two parts' chains.
constexpr auto over_part = [] {
  std::array<std::array<std::uint32_t, 256>, 4> all{};
  for (std::size_t place = 0; place < 4; ++place)
    for (std::uint32_t b = 0; b < 256; ++b) {
      std::uint32_t crc = b << 8 * place;
      for (std::size_t i = 0; i < part; ++i) crc = crc >> 8 ^ tables[0][crc & 0xFF];
      all[place][b] = crc;
    }
  return all;
}();
std::uint64_t after_part(std::uint64_t crc) {
  return over_part[0][crc & 0xFF] ^ over_part[1][crc >> 8 & 0xFF] ^ over_part[2][crc >> 16 & 0xFF] ^
         over_part[3][crc >> 24 & 0xFF];
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(base::ByteView bytes,
                                                               std::uint32_t so_far) {
  std::uint64_t crc = ~so_far;
  const std::byte* at = bytes.data();
  const std::byte* const end = at + bytes.size();
  const auto word = [](const std::byte* from) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, from, 8);
    return eight;
  };
  for (; static_cast<std::size_t>(end - at) >= 3 * part; at += 3 * part) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < part; i += 8) {
      crc = _mm_crc32_u64(crc, word(at + i));
      second = _mm_crc32_u64(second, word(at + part + i));
      third = _mm_crc32_u64(third, word(at + 2 * part + i));
    }
    crc = after_part(after_part(crc) ^ second) ^ third;
  }
  for (; end - at >= 8; at += 8) crc = _mm_crc32_u64(crc, word(at));
  auto rest = static_cast<std::uint32_t>(crc);
  for (; at != end; ++at) rest = _mm_crc32_u8(rest, std::to_integer<unsigned char>(*at));
  return ~rest;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(base::ByteView bytes, std::uint32_t so_far) {
  std::uint32_t crc = ~so_far;
  std::size_t i = 0;
  for (; bytes.size() - i >= 8; i += 8) {
    const auto at = [&](std::size_t k) { return byte_of(bytes[i + k]); };
    const std::uint32_t low = crc ^ (at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24);
    crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^
          tables[4][low >> 24] ^ tables[3][at(4)] ^ tables[2][at(5)] ^ tables[1][at(6)] ^
          tables[0][at(7)];
  }
  for (; i < bytes.size(); ++i) crc = crc >> 8 ^ tables[0][(crc ^ byte_of(bytes[i])) & 0xFF];
  return ~crc;
}

std::uint32_t crc32c(base::ByteView bytes, std::uint32_t so_far) {
#if defined(__x86_64__)
  static const bool instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (instruction) return by_instruction(bytes, so_far);
#endif
  return crc32c_portable(bytes, so_far);
}

}  // namespace latticegate::crypto
