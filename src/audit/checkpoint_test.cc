#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/segment.h"
#include "json/value.h"

using namespace latticegate;
using audit::Checkpoint;
using audit::Digest;
using audit::NoteKeyType;
using audit::SignerKey;
using audit::VerifierKey;
using base::Code;

namespace {

constexpr std::array types{NoteKeyType::ed25519, NoteKeyType::ed25519_cosignature,
                           NoteKeyType::ml_dsa_44_cosignature};

std::string file(std::string_view name) {
  const char* const source = std::getenv("LATTICEGATE_SOURCE");
  const auto path =
      std::filesystem::path(source != nullptr ? source : ".") / "tests/data/checkpoint" / name;
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.is_open());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string hex(std::string_view bytes) { return base::to_hex(base::bytes_of(bytes)); }

SignerKey signer(std::string_view name, NoteKeyType type, char seed = '\x01') {
  const auto kind = type == NoteKeyType::ml_dsa_44_cosignature ? crypto::SignatureKind::ml_dsa_44
                                                               : crypto::SignatureKind::ed25519;
  const std::string bytes(crypto::signing_seed_size, seed);
  auto key = std::move(crypto::SigningKey::from_seed(kind, base::bytes_of(bytes)).value());
  return std::move(SignerKey::make(name, type, std::move(key)).value());
}

VerifierKey copy_of(const VerifierKey& key) {
  return std::move(VerifierKey::from_text(key.text()).value());
}

template <class... Keys>
std::vector<VerifierKey> known(const Keys&... keys) {
  std::vector<VerifierKey> list;
  (list.push_back(copy_of(keys)), ...);
  return list;
}

const Checkpoint sample{.origin = "acme/prod/node-1", .size = 5, .root = audit::leaf_hash("x")};

std::string note_of(const Checkpoint& checkpoint, std::initializer_list<const SignerKey*> signers,
                    std::uint64_t at = 7) {
  std::vector<audit::NoteSignature> lines;
  for (const SignerKey* one : signers) lines.push_back(one->sign(checkpoint, at).value());
  return audit::write_note(audit::write_checkpoint(checkpoint), lines);
}

}  // namespace

TEST_CASE("the bytes of a checkpoint") {
  CHECK(audit::write_checkpoint(sample) ==
        "acme/prod/node-1\n5\n" + base::to_base64(sample.root) + "\n");
  CHECK(audit::read_checkpoint(audit::write_checkpoint(sample)).value() == sample);
  const Checkpoint empty{.origin = "o", .size = 0, .root = audit::empty_root()};
  CHECK(audit::read_checkpoint(audit::write_checkpoint(empty)).value() == empty);
  const Checkpoint largest{.origin = "o", .size = audit::tree_size_limit, .root = sample.root};
  CHECK(audit::read_checkpoint(audit::write_checkpoint(largest)).value() == largest);
}

TEST_CASE("what is no checkpoint is refused") {
  const std::string root = base::to_base64(sample.root) + "\n";
  const std::string short_root = base::to_base64(base::ByteView(sample.root).first(31)) + "\n";
  const std::array<std::pair<std::string, Code>, 19> bad{{
      {"", Code::malformed},
      {"o", Code::malformed},
      {"o\n", Code::malformed},
      {"o\n5\n", Code::malformed},
      {"o\n5\n" + root.substr(0, 44), Code::malformed},
      {"o\n5\n" + short_root, Code::malformed},
      {"\n5\n" + root, Code::malformed},
      {"o p\n5\n" + root, Code::malformed},
      {"o\n05\n" + root, Code::malformed},
      {"o\n+5\n" + root, Code::malformed},
      {"o\n-5\n" + root, Code::malformed},
      {"o\n 5\n" + root, Code::malformed},
      {"o\n5 \n" + root, Code::malformed},
      {"o\n\n" + root, Code::malformed},
      {"o\n9223372036854775808\n" + root, Code::malformed},
      {"o\n99999999999999999999\n" + root, Code::malformed},
      {"o\n5\n" + root + "extension\n", Code::unsupported},
      {"o\n5\n" + root + "\n", Code::unsupported},
      {"o\n0\n" + root, Code::invalid},
  }};
  for (const auto& [text, code] : bad) {
    CAPTURE(text);
    const auto checkpoint = audit::read_checkpoint(text);
    REQUIRE_FALSE(checkpoint.has_value());
    CHECK(checkpoint.error().code == code);
  }
}

TEST_CASE("the vector: every intermediate value, and the note byte for byte") {
  const std::string text = file("checkpoint-vector.json");
  const auto document = json::Document::parse(text);
  REQUIRE(document.has_value());
  const json::Value vector = document->root();
  const auto string = [&](std::string_view key) { return std::string(vector[key].text_or("")); };

  audit::CompactRange range;
  std::size_t at = 0;
  for (const json::Value record : vector["records"].elements()) {
    const Digest leaf = audit::leaf_hash(record.text_or(""));
    CHECK(crypto::to_hex(leaf) == vector["leaf_hashes_hex"].at(at++).text_or(""));
    range.append(leaf);
  }
  const auto time = static_cast<std::uint64_t>(vector["timestamp"].integer().value());
  const Checkpoint checkpoint{
      .origin = string("origin"), .size = range.size(), .root = range.root()};
  CHECK(range.size() == 3);
  CHECK(crypto::to_hex(range.root()) == string("root_hex"));

  const std::string seed = base::from_hex(string("seed_hex")).value();
  const auto key = [&](crypto::SignatureKind kind, NoteKeyType type) {
    auto from_seed = std::move(crypto::SigningKey::from_seed(kind, base::bytes_of(seed)).value());
    return std::move(SignerKey::make(string("key_name"), type, std::move(from_seed)).value());
  };
  const SignerKey lattice =
      key(crypto::SignatureKind::ml_dsa_44, NoteKeyType::ml_dsa_44_cosignature);
  const SignerKey edwards = key(crypto::SignatureKind::ed25519, NoteKeyType::ed25519);
  CHECK(lattice.verifier().text() == string("mldsa44_vkey"));
  CHECK(edwards.verifier().text() == string("ed25519_vkey"));
  CHECK(std::format("{:08x}", lattice.verifier().id()) == string("mldsa44_keyid_hex"));
  CHECK(std::format("{:08x}", edwards.verifier().id()) == string("ed25519_keyid_hex"));
  CHECK(hex(audit::signed_message(NoteKeyType::ml_dsa_44_cosignature, string("key_name"),
                                  checkpoint, time)) == string("cosigned_message_hex"));

  const std::array lines{lattice.sign(checkpoint, time, crypto::Hedge::none).value(),
                         edwards.sign(checkpoint, time).value()};
  CHECK(crypto::to_hex(crypto::sha256(lines[0].bytes.substr(8))) ==
        string("mldsa44_signature_sha256"));
  CHECK(audit::write_note(audit::write_checkpoint(checkpoint), lines) == file("checkpoint.note"));

  const auto opened = audit::open_checkpoint(
      file("checkpoint.note"), known(edwards.verifier(), lattice.verifier()), string("origin"));
  REQUIRE(opened.has_value());
  CHECK(opened->checkpoint == checkpoint);
  REQUIRE(opened->endorsements.size() == 2);
  CHECK(opened->endorsements[0].key == 1);
  CHECK(opened->endorsements[0].timestamp == time);
  CHECK(opened->endorsements[1].key == 0);
  CHECK(opened->endorsements[1].timestamp == 0);
}

TEST_CASE("the vector's receipt proves its record and no other") {
  const std::string receipt = file("receipt.tlog-proof");
  const std::string note = file("checkpoint.note");
  REQUIRE(receipt.ends_with("\n\n" + note));
  const std::string head = "c2sp.org/tlog-proof@v1\nindex 1\n";
  REQUIRE(receipt.starts_with(head));
  std::string hashes = receipt.substr(head.size(), receipt.size() - note.size() - 1 - head.size());
  audit::Proof proof;
  while (!hashes.empty()) {
    const std::string bytes = base::from_base64(hashes.substr(0, 44)).value();
    std::ranges::copy(base::bytes_of(bytes), proof.emplace_back().begin());
    hashes.erase(0, 45);
  }
  const Checkpoint checkpoint = audit::read_checkpoint(audit::read_note(note)->text).value();
  CHECK(audit::verify_inclusion(1, checkpoint.size, audit::leaf_hash("record-1"), proof,
                                checkpoint.root)
            .has_value());
  for (const std::string_view other : {"record-0", "record-2", "record-1 ", ""})
    CHECK(
        audit::verify_inclusion(1, checkpoint.size, audit::leaf_hash(other), proof, checkpoint.root)
            .error()
            .code == Code::crypto);
}

TEST_CASE("what was signed opens, with each type of key") {
  for (const NoteKeyType type : types) {
    CAPTURE(static_cast<int>(type));
    const SignerKey key = signer("witness.example", type);
    const std::string note = note_of(sample, {&key});
    const auto opened = audit::open_checkpoint(note, known(key.verifier()));
    REQUIRE(opened.has_value());
    CHECK(opened->checkpoint == sample);
    CHECK(opened->endorsed_by(0));
    CHECK_FALSE(opened->endorsed_by(1));
    CHECK(opened->endorsements[0].timestamp == (type == NoteKeyType::ed25519 ? 0U : 7U));
    CHECK(key.sign(sample, audit::timestamp_limit + 1).error().code == Code::invalid);
  }
}

TEST_CASE("no byte of a signed note can be changed") {
  const SignerKey lattice = signer(sample.origin, NoteKeyType::ml_dsa_44_cosignature);
  const SignerKey edwards = signer(sample.origin, NoteKeyType::ed25519);
  const SignerKey witness = signer("witness.example", NoteKeyType::ed25519_cosignature, '\x02');
  const auto keys = known(lattice.verifier(), edwards.verifier(), witness.verifier());
  const std::string note = note_of(sample, {&edwards, &witness, &lattice});
  REQUIRE(audit::open_checkpoint(note, keys)->endorsements.size() == 3);
  std::size_t refused = 0;
  std::size_t fewer = 0;
  for (std::size_t at = 0; at < note.size(); ++at) {
    for (const int bit : {1, 32}) {
      std::string other = note;
      other[at] = static_cast<char>(other[at] ^ bit);
      const auto opened = audit::open_checkpoint(other, keys);
      if (!opened) {
        ++refused;
        continue;
      }
      // A name or key id that became unknown: its line says nothing any more.
      CHECK(opened->checkpoint == sample);
      CHECK(opened->endorsements.size() == 2);
      ++fewer;
    }
  }
  CHECK(refused + fewer == 2 * note.size());
  CHECK(fewer < 130);
}

TEST_CASE("whose signature counts") {
  const SignerKey mine = signer("acme/prod/node-1", NoteKeyType::ed25519, '\x01');
  const SignerKey other = signer("acme/prod/node-1", NoteKeyType::ed25519, '\x02');
  const SignerKey named = signer("witness.example", NoteKeyType::ed25519, '\x01');
  const auto keys = known(mine.verifier());
  const auto code = [&](const std::string& note, std::string_view origin = {}) {
    const auto opened = audit::open_checkpoint(note, keys, origin);
    return opened ? std::string_view("open") : base::name(opened.error().code);
  };
  CHECK(code(note_of(sample, {&mine})) == "open");
  CHECK(code(note_of(sample, {&mine}), "acme/prod/node-1") == "open");
  CHECK(code(note_of(sample, {&mine}), "acme/prod/node-2") == "invalid");
  CHECK(code(note_of(sample, {&other})) == "crypto");
  CHECK(code(note_of(sample, {&named})) == "crypto");
  CHECK(code(note_of(sample, {&other, &mine, &named})) == "open");
  // A line under the known name and id that does not verify, beside one that does.
  auto forged = mine.sign(sample, 0).value();
  forged.bytes.back() = static_cast<char>(forged.bytes.back() ^ 1);
  const std::array both{mine.sign(sample, 0).value(), forged};
  CHECK(code(audit::write_note(audit::write_checkpoint(sample), both)) == "crypto");
  // The signature of another checkpoint.
  Checkpoint later = sample;
  ++later.size;
  const std::array moved{mine.sign(sample, 0).value()};
  CHECK(code(audit::write_note(audit::write_checkpoint(later), moved)) == "crypto");
  CHECK(audit::open_checkpoint(note_of(sample, {&mine}), {}).error().code == Code::crypto);
  CHECK(audit::open_checkpoint(note_of(sample, {&mine}), known(mine.verifier(), mine.verifier()))
            .error()
            .code == Code::invalid);
}

TEST_CASE("a cosignature is bound to its time, its cosigner and its log") {
  const SignerKey lattice = signer("w", NoteKeyType::ml_dsa_44_cosignature);
  for (const SignerKey* key : {&lattice}) {
    auto line = key->sign(sample, 7).value();
    CHECK(key->verifier().verify(sample, line).value() == 7);
    line.bytes[7] = '\x08';
    CHECK_FALSE(key->verifier().verify(sample, line).has_value());
    line.bytes[0] = '\x80';
    CHECK_FALSE(key->verifier().verify(sample, line).has_value());
    line.bytes.resize(3);
    CHECK_FALSE(key->verifier().verify(sample, line).has_value());
  }
  auto line = lattice.sign(sample, 7).value();
  const SignerKey renamed = signer("v", NoteKeyType::ml_dsa_44_cosignature);
  line.name = "v";
  line.key_id = renamed.verifier().id();
  CHECK_FALSE(renamed.verifier().verify(sample, line).has_value());
  Checkpoint elsewhere = sample;
  elsewhere.origin = "acme/prod/node-2";
  CHECK_FALSE(lattice.verifier().verify(elsewhere, lattice.sign(sample, 7).value()).has_value());
}

TEST_CASE("verifier keys as text") {
  for (const NoteKeyType type : types) {
    const SignerKey key = signer("gw1.example/audit", type);
    const std::string text = key.verifier().text();
    const VerifierKey again = std::move(VerifierKey::from_text(text).value());
    CHECK(again.text() == text);
    CHECK(again.type() == type);
    CHECK(again.name() == "gw1.example/audit");
    std::string renamed = text;
    renamed[0] = 'h';
    CHECK(VerifierKey::from_text(renamed).error().code == Code::malformed);
    CHECK_FALSE(VerifierKey::from_text(text + "\n").has_value());
    CHECK_FALSE(VerifierKey::from_text(text.substr(0, text.size() - 4)).has_value());
  }
  for (const std::string_view bad : {"", "+", "++", "a", "a+b", "a+00000000+", "a+00000000+!",
                                     "a+00000000+AQ==", "+00000000+AQ==", "a+00000000+Bw=="}) {
    CAPTURE(bad);
    CHECK_FALSE(VerifierKey::from_text(bad).has_value());
  }
  auto edwards = std::move(crypto::SigningKey::make(crypto::SignatureKind::ed25519).value());
  CHECK(SignerKey::make("a", NoteKeyType::ml_dsa_44_cosignature, std::move(edwards)).error().code ==
        Code::invalid);
  auto nameless = std::move(crypto::SigningKey::make(crypto::SignatureKind::ed25519).value());
  CHECK(SignerKey::make("a b", NoteKeyType::ed25519, std::move(nameless)).error().code ==
        Code::invalid);
}
