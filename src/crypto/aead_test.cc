#include "crypto/aead.h"

#include <doctest/doctest.h>

#include <string>

using namespace latticegate;

TEST_CASE("what was sealed opens with the same key and subject only") {
  crypto::SeededRandom random(1);
  const std::string key(32, 'k');
  for (const std::string& text : {std::string(), std::string("a"), std::string(100'000, 'x')}) {
    const std::string sealed = crypto::seal(key, text, "about", random);
    CHECK(sealed.size() == text.size() + 28);
    CHECK(crypto::open(key, sealed, "about") == text);
    CHECK(!crypto::open(key, sealed, "another").has_value());
    CHECK(!crypto::open(std::string(32, 'l'), sealed, "about").has_value());
    CHECK(crypto::seal(key, text, "about", random) != sealed);
  }
}

TEST_CASE("every changed bit and every missing byte is noticed") {
  crypto::SeededRandom random(2);
  const std::string key(32, 'k');
  const std::string sealed = crypto::seal(key, "text", "about", random);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    CHECK(!crypto::open(key, changed, "about").has_value());
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    CHECK(!crypto::open(key, sealed.substr(0, size), "about").has_value());
}
