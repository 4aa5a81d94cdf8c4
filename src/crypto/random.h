// Randomness as an argument, and the identifiers made from it (UUID version 7, RFC 9562).
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace latticegate::crypto {

class Random {
 public:
  Random() = default;
  Random(const Random&) = delete;
  Random& operator=(const Random&) = delete;
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> bytes) = 0;
};

// libcrypto's generator, good enough for keys. Takes 512 bytes at a time and gives each byte once,
// because one call of the generator costs more than a whole record. Belongs to one thread; have one
// per event loop.
class SystemRandom final : public Random {
 public:
  SystemRandom() = default;
  ~SystemRandom() override;
  void fill(std::span<std::byte> bytes) override;

 private:
  std::array<std::byte, 512> pool_{};
  std::size_t used_ = 512;
};

// The same bytes for the same seed, for tests. Never for anything else.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::byte> bytes) override;

 private:
  std::uint64_t state_;
};

// 128 bits whose text form sorts by time.
struct Uuid {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
  bool is_nil() const { return *this == Uuid{}; }
};

// Version 7: 48 bits of milliseconds, 12 bits of the fraction of that millisecond (0.24 us), 62
// random bits.
Uuid uuid_v7(base::Time now, Random& random);

// "0194f3c2-7d1e-7a3b-8c4d-0123456789ab": 36 characters, lower case.
std::string to_string(const Uuid& uuid);
// The same into a buffer, without allocation; returns the end.
char* write_to(char* out, const Uuid& uuid);
// Nothing unless it has exactly that form; any version, either case.
std::optional<Uuid> uuid_from(std::string_view text);

}  // namespace latticegate::crypto
