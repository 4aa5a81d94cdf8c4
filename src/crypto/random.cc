#include "crypto/random.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "base/result.h"

namespace latticegate::crypto {
namespace {

constexpr std::array<char, 16> hex{'0', '1', '2', '3', '4', '5', '6', '7',
                                   '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

void generate(std::span<std::byte> bytes) {
  base::check(bytes.size() <= INT_MAX, "random bytes are asked for in small pieces");
  base::check(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()),
                         static_cast<int>(bytes.size())) == 1,
              "the random generator works");
}

bool dash_before(std::size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

SystemRandom::~SystemRandom() { OPENSSL_cleanse(pool_.data(), pool_.size()); }

void SystemRandom::fill(std::span<std::byte> bytes) {
  if (bytes.size() > pool_.size() / 4) {
    generate(bytes);
    return;
  }
  if (pool_.size() - used_ < bytes.size()) {
    generate(pool_);
    used_ = 0;
  }
  const std::span<std::byte> given = std::span(pool_).subspan(used_, bytes.size());
  std::ranges::copy(given, bytes.begin());
  OPENSSL_cleanse(given.data(), given.size());
  used_ += bytes.size();
}

void SeededRandom::fill(std::span<std::byte> bytes) {
  for (std::byte& byte : bytes) {  // splitmix64, one byte of each step
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    byte = static_cast<std::byte>(z >> 56);
  }
}

Uuid uuid_v7(base::Time now, Random& random) {
  Uuid uuid;
  random.fill(std::span(uuid.bytes).subspan(8));
  const auto since = now.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::milliseconds>(since);
  const auto ms = static_cast<std::uint64_t>(whole.count());
  const auto fraction = static_cast<std::uint64_t>((since - whole).count()) * 4096 / 1'000'000;
  for (std::size_t i = 0; i < 6; ++i)
    uuid.bytes[i] = static_cast<std::byte>(ms >> (40 - 8 * i) & 0xFF);
  uuid.bytes[6] = static_cast<std::byte>(0x70 | (fraction >> 8 & 0x0F));
  uuid.bytes[7] = static_cast<std::byte>(fraction & 0xFF);
  uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3F}) | std::byte{0x80};
  return uuid;
}

char* write_to(char* out, const Uuid& uuid) {
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (dash_before(i)) *out++ = '-';
    const auto byte = std::to_integer<unsigned>(uuid.bytes[i]);
    *out++ = hex[byte >> 4];
    *out++ = hex[byte & 15];
  }
  return out;
}

std::string to_string(const Uuid& uuid) {
  std::string text(36, '\0');
  write_to(text.data(), uuid);
  return text;
}

std::optional<Uuid> uuid_from(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (dash_before(i) && text[at++] != '-') return std::nullopt;
    const int high = hex_value(text[at]);
    const int low = hex_value(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    uuid.bytes[i] = static_cast<std::byte>(high * 16 + low);
    at += 2;
  }
  return uuid;
}

}  // namespace latticegate::crypto
