#include "audit/receipt.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "audit/bundle.h"
#include "audit/segment.h"

using namespace latticegate;
using base::Code;

namespace {

std::string file(std::string_view name) {
  const char* const source = std::getenv("LATTICEGATE_SOURCE");
  const auto path =
      std::filesystem::path(source != nullptr ? source : ".") / "tests/data/checkpoint" / name;
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.is_open());
  return {std::istreambuf_iterator<char>(in), {}};
}

audit::VerifierKey vector_key() {
  std::string seed;
  for (char c = 0; c < 32; ++c) seed += c;
  auto key = crypto::SigningKey::from_seed(crypto::SignatureKind::ed25519, base::bytes_of(seed));
  const auto signer = audit::SignerKey::make("gw1.example/audit", audit::NoteKeyType::ed25519,
                                             std::move(key.value()));
  return std::move(audit::VerifierKey::from_text(signer.value().verifier().text()).value());
}

}  // namespace

TEST_CASE("the vector's receipt is read, written the same, and holds") {
  const std::string text = file("receipt.tlog-proof");
  const auto receipt = audit::read_receipt(text);
  REQUIRE(receipt.has_value());
  CHECK(audit::write_receipt(*receipt) == text);
  CHECK(receipt->index == 1);
  CHECK(receipt->proof.size() == 2);
  CHECK_FALSE(receipt->extra.has_value());
  std::vector<audit::VerifierKey> keys;
  keys.push_back(vector_key());
  const auto checked = audit::check_receipt(*receipt, keys, 1, "record-1");
  REQUIRE(checked.has_value());
  CHECK(checked->leaf == "record-1");
  CHECK(checked->head.checkpoint.size == 3);
  CHECK(audit::check_receipt(*receipt, keys, 1, "record-2").error().code == Code::crypto);
  CHECK(audit::check_receipt(*receipt, keys, 1).error().code == Code::invalid);
  audit::Receipt own = *receipt;
  own.extra = "record-1";
  CHECK(audit::check_receipt(own, keys, 1).has_value());
  CHECK(audit::check_receipt(own, keys, 1, "record-1").has_value());
  CHECK(audit::check_receipt(own, keys, 1, "record-2").error().code == Code::invalid);
  CHECK(audit::read_receipt(audit::write_receipt(own)).value() == own);
  own.index = 2;
  CHECK_FALSE(audit::check_receipt(own, keys, 1).has_value());
  // A second key that must have signed and did not.
  auto other = crypto::SigningKey::make(crypto::SignatureKind::ed25519);
  const auto stranger = audit::SignerKey::make("w", audit::NoteKeyType::ed25519_cosignature,
                                               std::move(other.value()));
  keys.push_back(
      std::move(audit::VerifierKey::from_text(stranger.value().verifier().text()).value()));
  CHECK(audit::check_receipt(*receipt, keys, 1, "record-1").has_value());
  CHECK(audit::check_receipt(*receipt, keys, 2, "record-1").error().code == Code::crypto);
}

TEST_CASE("no byte of a receipt can be changed") {
  audit::Receipt receipt = audit::read_receipt(file("receipt.tlog-proof")).value();
  receipt.extra = "record-1";
  const std::string text = audit::write_receipt(receipt);
  std::vector<audit::VerifierKey> keys;
  keys.push_back(vector_key());
  // The line of the ML-DSA-44 key, which is not known here, counts for nothing.
  const std::size_t unknown = text.find("\xE2\x80\x94");
  const std::size_t known = text.find("\xE2\x80\x94", unknown + 1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (at >= unknown && at < known) continue;
    std::string bad = text;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    const auto read = audit::read_receipt(bad);
    CHECK_MESSAGE((!read || !audit::check_receipt(*read, keys, 1)), "byte ", at);
  }
}

TEST_CASE("what is no receipt is refused") {
  const std::string text = file("receipt.tlog-proof");
  const std::string rest = text.substr(text.find("\n\n"));
  const std::string hash = "\n" + base::to_base64(audit::leaf_hash("x"));
  std::string many = "c2sp.org/tlog-proof@v1\nindex 1";
  for (int i = 0; i < 65; ++i) many += hash;
  for (const std::string& bad :
       {std::string(), std::string("c2sp.org/tlog-proof@v2\nindex 1") + rest,
        std::string("c2sp.org/tlog-proof@v1") + rest, "c2sp.org/tlog-proof@v1\nindex 01" + rest,
        "c2sp.org/tlog-proof@v1\nindex -1" + rest,
        "c2sp.org/tlog-proof@v1\nindex 9223372036854775807" + rest,
        "c2sp.org/tlog-proof@v1\nextra =\nindex 1" + rest,
        "c2sp.org/tlog-proof@v1\nindex 1\nextra eA==" + rest,
        "c2sp.org/tlog-proof@v1\nindex 1\nAAAA" + rest, "c2sp.org/tlog-proof@v1\nindex 1" + hash,
        many + rest})
    CHECK(audit::read_receipt(bad).error().code == Code::malformed);
  CHECK(audit::read_receipt(std::string(300'000, 'x')).error().code == Code::too_large);
}

TEST_CASE("bundles give back their leaves, and stop where they are none") {
  std::string bytes;
  const std::vector<std::string> leaves{"{}", "", std::string(300, 'x'),
                                        std::string(audit::leaf_limit.count, 'y')};
  for (const std::string& leaf : leaves) audit::write_entry(leaf, bytes);
  CHECK(bytes.starts_with(std::string("\0\2{}\0\0\x01\x2C", 8)));
  audit::BundleReader reader(bytes);
  for (const std::string& leaf : leaves) CHECK(reader.next() == leaf);
  CHECK_FALSE(reader.next().has_value());
  CHECK(reader.complete());
  for (std::size_t size = 0; size < 320; ++size) {
    audit::BundleReader cut(std::string_view(bytes).substr(0, size));
    while (cut.next()) continue;
    CHECK(cut.complete() == (size == 0 || size == 4 || size == 6 || size == 308));
  }
}

TEST_CASE("the paths of tiles and bundles are known in one form only") {
  const std::array<std::pair<std::string_view, audit::StoredTile>, 5> good{{
      {"tile/0/000", {.tile = {.level = 0, .index = 0, .width = 256}}},
      {"tile/1/x001/x234/067", {.tile = {.level = 1, .index = 1'234'067, .width = 256}}},
      {"tile/0/273.p/112", {.tile = {.level = 0, .index = 273, .width = 112}}},
      {"tile/entries/x001/234.p/5",
       {.entries = true, .tile = {.level = 0, .index = 1234, .width = 5}}},
      {"tile/entries/000", {.entries = true, .tile = {.level = 0, .index = 0, .width = 256}}},
  }};
  for (const auto& [path, stored] : good) {
    CHECK(audit::tile_from_path(path) == stored);
    CHECK((stored.entries ? audit::bundle_path(stored.tile.index, stored.tile.width)
                          : audit::tile_path(stored.tile)) == path);
  }
  for (const std::string_view bad : {"",
                                     "tile",
                                     "tile/",
                                     "tile/0",
                                     "tile/0/",
                                     "tile/0/0",
                                     "tile/0/0000",
                                     "tile/00/000",
                                     "tile/8/000",
                                     "tile/-1/000",
                                     "tile/0/x000/000",
                                     "tile/0/001/234",
                                     "tile/0/x001/x234",
                                     "tile/0/000.p",
                                     "tile/0/000.p/",
                                     "tile/0/000.p/0",
                                     "tile/0/000.p/256",
                                     "tile/0/000.p/05",
                                     "tile/0/000.p/5/",
                                     "tile/entry/000",
                                     "/tile/0/000",
                                     "tile/0/../000",
                                     "tile/0/x999/x999/x999/x999/x999/x999/x999/999"})
    CHECK_FALSE_MESSAGE(audit::tile_from_path(bad).has_value(), bad);
}
