#include <doctest/doctest.h>

#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include "crypto/random.h"
#include "crypto/secret.h"

using namespace latticegate;

TEST_CASE("a version 7 UUID carries its time and sorts by it") {
  crypto::SeededRandom random(1);
  // RFC 9562 appendix A.6: 2022-02-22T19:22:22.000Z is 017F22E2-79B0-7...
  const base::Time time{std::chrono::milliseconds(0x017F22E279B0)};
  const std::string text = crypto::to_string(crypto::uuid_v7(time, random));
  CHECK(text.substr(0, 19).substr(0, 18) == "017f22e2-79b0-7000");
  CHECK(std::string_view("89ab").contains(text[19]));
  CHECK(crypto::to_string(crypto::uuid_v7(time + std::chrono::nanoseconds(999'999), random))
            .substr(14, 4) == "7fff");
  CHECK(crypto::uuid_v7(time, random) <
        crypto::uuid_v7(time + std::chrono::microseconds(1), random));
}

TEST_CASE("a UUID's text is read back only in its one form") {
  crypto::SeededRandom random(2);
  const crypto::Uuid uuid = crypto::uuid_v7(base::Time{}, random);
  const std::string text = crypto::to_string(uuid);
  CHECK(crypto::uuid_from(text) == uuid);
  for (const std::string& bad :
       {std::string(), text.substr(1), text + "0", "{" + text.substr(1), std::string(36, '-'),
        text.substr(0, 35) + "g", text.substr(0, 8) + "0" + text.substr(9)})
    CHECK_FALSE(crypto::uuid_from(bad).has_value());
}

TEST_CASE("the system's randomness never repeats, across refills and for long pieces") {
  crypto::SystemRandom random;
  std::set<std::array<std::byte, 16>> seen;
  for (int i = 0; i < 1000; ++i) {
    std::array<std::byte, 16> bytes{};
    random.fill(bytes);
    CHECK(seen.insert(bytes).second);
  }
  std::array<std::byte, 4096> large{};
  random.fill(large);
  const std::array<std::byte, 4096> first = large;
  random.fill(large);
  CHECK(first != large);
}

TEST_CASE("a secret moves without leaving itself behind and is copied only on request") {
  static_assert(!std::is_copy_constructible_v<crypto::Secret>);
  static_assert(!std::is_convertible_v<crypto::Secret, std::string_view>);
  static_assert(!std::formattable<crypto::Secret, char>);
  std::string source = "correct horse battery staple, long enough to be on the heap";
  const char* const place = source.data();
  crypto::Secret first = crypto::Secret::taken_from(source);
  CHECK(source.empty());
  CHECK(place[0] == '\0');
  CHECK(first.equals("correct horse battery staple, long enough to be on the heap"));
  CHECK_FALSE(first.equals("x"));
  crypto::Secret second = std::move(first);
  CHECK(first.empty());  // NOLINT(bugprone-use-after-move): that is the promise
  const crypto::Secret third = second.clone();
  second = crypto::Secret("x");
  CHECK(third.reveal().starts_with("correct"));
  CHECK(second.reveal() == "x");
  CHECK(crypto::Secret().empty());
}
