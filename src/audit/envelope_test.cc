#include "audit/envelope.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "audit/data_key.h"

using namespace latticegate;
using audit::DataKey;
using audit::WrappingKey;
using base::Code;

namespace {

const std::string key(32, 'k');
const std::string_view key_id = "0123456789abcdef";

}  // namespace

TEST_CASE("a body comes back from its envelope, whatever it is") {
  crypto::SeededRandom random(1);
  audit::EnvelopeWriter writer;
  for (const std::string& body :
       {std::string(), std::string("{}"), std::string(100'000, 'x'), std::string("\0\xFF", 2)}) {
    std::string envelope = "before";
    const auto reference = writer.write(body, key, key_id, random, envelope);
    const std::string_view sealed = std::string_view(envelope).substr(6);
    CHECK(audit::open_envelope(sealed, reference, key) == body);
    CHECK(sealed.size() < 1000);
    if (!body.empty()) CHECK_FALSE(sealed.contains(body));
  }
}

TEST_CASE("an envelope is nothing without its key, its record and each of its bytes") {
  crypto::SeededRandom random(2);
  audit::EnvelopeWriter writer;
  std::string envelope;
  const auto reference = writer.write(R"({"iban":"DE02"})", key, key_id, random, envelope);
  CHECK(audit::open_envelope(envelope, reference, std::string(32, 'K')).error().code ==
        Code::crypto);
  for (std::size_t i = 0; i < envelope.size(); ++i) {
    std::string changed = envelope;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    CHECK(audit::open_envelope(changed, reference, key).error().code == Code::crypto);
    // Also with a record that was made to fit: the seal is broken.
    audit::BodyReference forged = reference;
    forged.ct_sha256 = crypto::sha256(changed);
    CHECK_FALSE(audit::open_envelope(changed, forged, key).has_value());
  }
  audit::BodyReference other = reference;
  other.key = "fedcba9876543210";
  CHECK_FALSE(audit::open_envelope(envelope, other, key).has_value());
  other = reference;
  other.commit = crypto::sha256("another body");
  CHECK(audit::open_envelope(envelope, other, key).error().code == Code::crypto);
}

TEST_CASE("equal bodies have nothing in common in the record") {
  crypto::SeededRandom random(3);
  audit::EnvelopeWriter writer;
  std::string first;
  std::string second;
  const auto a = writer.write("yes", key, key_id, random, first);
  const auto b = writer.write("yes", key, key_id, random, second);
  CHECK(a.commit != b.commit);
  CHECK(a.ct_sha256 != b.ct_sha256);
  CHECK(a.commit != crypto::sha256("yes"));
}

TEST_CASE("a data key is wrapped for one purpose and unwrapped by its key only") {
  crypto::SeededRandom random(4);
  std::vector<WrappingKey> keks;
  keks.push_back(WrappingKey::make(random));
  keks.push_back(WrappingKey::make(random));
  const DataKey made =
      DataKey::make({.subject = "p:abc", .label = "general", .month = "2026-11"}, random);
  const std::string text = made.wrap(keks[1], random);
  CHECK_FALSE(text.contains(base::to_hex(base::bytes_of(made.bytes()))));
  const auto back = DataKey::unwrap(text, keks);
  REQUIRE(back.has_value());
  CHECK(back->bytes() == made.bytes());
  CHECK(back->purpose() == made.purpose());
  CHECK(back->id() == made.id());
  CHECK(DataKey::unwrap(text, std::span(keks).first(1)).error().code == Code::not_found);
  const auto info = audit::read_key_info(text);
  REQUIRE(info.has_value());
  CHECK(info->id == made.id());
  CHECK(info->kek == keks[1].id());
  // Whatever it says of itself is sealed with it.
  for (const auto& [from, to] : {std::pair("p:abc", "p:xyz"), std::pair("general", "another"),
                                 std::pair("2026-11", "2026-12")}) {
    std::string changed = text;
    changed.replace(changed.find(from), std::string_view(from).size(), to);
    CHECK(DataKey::unwrap(changed, keks).error().code == Code::crypto);
  }
  for (const std::string_view bad : {"", "{}", "[]", R"({"v":1,"id":"../../../../etc1"})"})
    CHECK_FALSE(audit::read_key_info(bad).has_value());
}

TEST_CASE("a wrapping key's text is 64 digits, and its id says nothing") {
  crypto::SeededRandom random(5);
  const WrappingKey kek = WrappingKey::make(random);
  const crypto::Secret text = kek.text();
  CHECK(text.reveal().size() == 64);
  const auto back = WrappingKey::from_text(text.reveal());
  REQUIRE(back.has_value());
  CHECK(back->id() == kek.id());
  CHECK_FALSE(text.reveal().contains(kek.id()));
  for (const std::string_view bad : {"", "00", "zz"})
    CHECK(WrappingKey::from_text(bad).error().code == Code::malformed);
  CHECK(audit::month_of(base::Time(std::chrono::seconds(1'795'356'131))) == "2026-11");
}
