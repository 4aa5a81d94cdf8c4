#include "crypto/aead.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <string>

#include "base/bytes.h"

using namespace latticegate;

namespace {

std::string unhex(std::string_view digits) { return base::from_hex(digits).value(); }

// Gives the bytes of a vector for randomness.
class Fixed final : public crypto::Random {
 public:
  explicit Fixed(std::string bytes) : bytes_(std::move(bytes)) {}
  void fill(std::span<std::byte> out) override {
    std::ranges::copy(base::bytes_of(bytes_).first(out.size()), out.begin());
  }

 private:
  std::string bytes_;
};

}  // namespace

// Test case 16 of the GCM specification (McGrew and Viega).
TEST_CASE("sealing gives the bytes of the specification's vector") {
  const std::string key = unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const std::string text = unhex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
      "b525b16aedf5aa0de657ba637b39");
  Fixed random(unhex("cafebabefacedbaddecaf888"));
  CHECK(base::to_hex(base::bytes_of(
            crypto::seal(key, text, unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"), random))) ==
        "cafebabefacedbaddecaf888"
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056"
        "828"
        "838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b");
}

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
