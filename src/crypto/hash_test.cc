#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

#include "crypto/crc32c.h"
#include "crypto/hash.h"

using namespace latticegate;

TEST_CASE("SHA-256 gives the published digests, in one piece and in many") {
  // FIPS 180-2, appendix B, and the empty message.
  struct Case {
    std::string message;
    std::string_view digest;
  };
  const Case cases[] = {{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
                        {std::string(1'000'000, 'a'),
                         "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  crypto::Sha256 reused;
  for (const Case& c : cases) {
    CHECK(crypto::to_hex(crypto::sha256(c.message)) == c.digest);
    for (std::size_t i = 0; i < c.message.size(); i += 977)
      reused.update(std::string_view(c.message).substr(i, 977));
    CHECK(crypto::to_hex(reused.finish()) == c.digest);
  }
  crypto::Sha256 moved = std::move(reused);
  CHECK(crypto::to_hex(moved.update("abc").finish()) == cases[1].digest);
}

TEST_CASE("HMAC-SHA-256 gives the digests of RFC 4231") {
  CHECK(crypto::to_hex(crypto::hmac_sha256(std::string(20, '\x0b'), "Hi There")) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(crypto::to_hex(crypto::hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(crypto::to_hex(crypto::hmac_sha256(
            std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(crypto::hmac_sha256("", "x") == crypto::hmac_sha256(std::string(64, '\0'), "x"));
}

TEST_CASE("CRC-32C gives the values of RFC 3720, by instruction and by table, in pieces too") {
  const auto both = [](std::string_view text) {
    const std::uint32_t fast = crypto::crc32c(base::bytes_of(text));
    CHECK(fast == crypto::crc32c_portable(base::bytes_of(text)));
    for (const std::size_t cut : {std::size_t{0}, text.size() / 3, text.size() / 2, text.size()})
      CHECK(crypto::crc32c(base::bytes_of(text.substr(cut)),
                           crypto::crc32c(base::bytes_of(text.substr(0, cut)))) == fast);
    return fast;
  };
  CHECK(both("") == 0U);
  CHECK(both("123456789") == 0xE3069283U);
  CHECK(both(std::string(32, '\0')) == 0x8A9136AAU);
  CHECK(both(std::string(32, '\xff')) == 0x62A8AB43U);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  CHECK(both(rising) == 0x46DD794EU);
  for (std::size_t n = 1; n < 70; ++n) both(std::string(n, 'x') + rising);
  // Around what three chains take at once.
  for (const std::size_t n : {255UL, 256UL, 735UL, 736UL, 737UL, 768UL, 2048UL, 65'535UL})
    both(std::string(n, 'x') + rising);
}
