#include "audit/witness.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "audit/segment.h"

using namespace latticegate;
using audit::AddCheckpoint;
using audit::Checkpoint;
using audit::NoteKeyType;
using audit::SignerKey;
using audit::VerifierKey;

namespace {

// Every node of a small tree, by the definition.
class Leaves final : public audit::NodeSource {
 public:
  explicit Leaves(char fork = 'x') : fork_(fork) {}
  base::Result<audit::Digest> node(audit::Position at) const override {
    if (at.level == 0)
      return audit::leaf_hash(std::string(1, at.index == 3 ? fork_ : 'x') +
                              std::to_string(at.index));
    return audit::node_hash(*node({at.level - 1, at.index * 2}),
                            *node({at.level - 1, at.index * 2 + 1}));
  }

 private:
  char fork_;
};

SignerKey signer(std::string_view name, NoteKeyType type, char seed) {
  const auto kind = type == NoteKeyType::ml_dsa_44_cosignature ? crypto::SignatureKind::ml_dsa_44
                                                               : crypto::SignatureKind::ed25519;
  auto key = crypto::SigningKey::from_seed(kind, base::bytes_of(std::string(32, seed)));
  return std::move(SignerKey::make(name, type, std::move(key.value())).value());
}
VerifierKey public_half(const SignerKey& key) {
  return std::move(VerifierKey::from_text(key.verifier().text()).value());
}

struct Bench {
  SignerKey log = signer("acme/log", NoteKeyType::ed25519, 'l');
  std::vector<VerifierKey> log_keys;
  std::vector<SignerKey> witness;
  std::optional<Checkpoint> last;

  Bench() {
    log_keys.push_back(public_half(log));
    witness.push_back(signer("w.example", NoteKeyType::ed25519_cosignature, 'w'));
    witness.push_back(signer("w.example", NoteKeyType::ml_dsa_44_cosignature, 'w'));
  }
  std::string note(std::uint64_t size, char fork = 'x') const {
    return note(Checkpoint{
        .origin = "acme/log", .size = size, .root = *audit::root_at(size, Leaves(fork))});
  }
  std::string note(const Checkpoint& checkpoint) const {
    const auto line = log.sign(checkpoint, 1).value();
    return audit::write_note(audit::write_checkpoint(checkpoint), {&line, 1});
  }
  std::string request(std::uint64_t from, std::uint64_t to, char fork = 'x') const {
    AddCheckpoint add{.old_size = from, .proof = {}, .note = note(to, fork)};
    if (from > 0 && from <= to) add.proof = *audit::prove_consistency(from, to, Leaves(fork));
    return audit::write_add_checkpoint(add);
  }
  audit::WitnessAnswer ask(const std::string& body) {
    auto answer = audit::answer_add_checkpoint(body, log_keys, last, witness, 77);
    CHECK(answer.store.has_value() == (answer.status == 200));
    if (answer.store) last = answer.store;
    return answer;
  }
};

}  // namespace

TEST_CASE("a log that only grows is signed, each time with both keys") {
  Bench bench;
  std::uint64_t from = 0;
  for (const std::uint64_t to : {1U, 1U, 5U, 8U, 8U, 21U}) {
    const std::string body = bench.request(from, to);
    CHECK(audit::write_add_checkpoint(audit::read_add_checkpoint(body).value()) == body);
    const auto answer = bench.ask(body);
    REQUIRE_MESSAGE(answer.status == 200, answer.body);
    // Appended to the checkpoint, the lines make a note that the witness's keys open.
    std::vector<VerifierKey> keys;
    for (const SignerKey& key : bench.witness) keys.push_back(public_half(key));
    const auto opened = audit::open_checkpoint(bench.note(to) + answer.body, keys);
    REQUIRE(opened.has_value());
    CHECK(opened->endorsements.size() == 2);
    CHECK(opened->endorsements[0].timestamp == 77);
    CHECK(opened->checkpoint.size == to);
    from = to;
  }
}

TEST_CASE("what does not continue the last checkpoint is refused, and changes nothing") {
  Bench bench;
  REQUIRE(bench.ask(bench.request(0, 8)).status == 200);
  const Checkpoint before = *bench.last;
  CHECK(bench.ask(bench.request(0, 21)).status == 409);
  CHECK(bench.ask(bench.request(0, 21)).body == "8\n");
  CHECK(bench.ask(bench.request(5, 21)).status == 409);
  CHECK(bench.ask(bench.request(9, 21)).status == 409);
  CHECK(bench.ask(bench.request(8, 5)).status == 400);
  CHECK(bench.ask(bench.request(0, 5)).status == 409);        // rolled back
  CHECK(bench.ask(bench.request(8, 21, 'y')).status == 422);  // forked before the last one
  CHECK(bench.ask(bench.request(8, 8, 'y')).status == 422);
  std::string body = bench.request(8, 21);
  CHECK(bench.ask("old 8\n\n" + bench.note(21)).status == 422);  // no proof
  CHECK(bench.ask(body.substr(0, body.size() / 2)).status == 400);
  CHECK(bench.ask("").status == 400);
  CHECK(bench.ask("old 08\n\n" + bench.note(21)).status == 400);
  CHECK(bench.ask("old 8\nAAAA\n\n" + bench.note(21)).status == 400);
  Bench other;
  other.log = signer("acme/log", NoteKeyType::ed25519, 'm');
  CHECK(bench.ask(other.request(8, 21)).status == 403);
  other.log = signer("acme/other", NoteKeyType::ed25519, 'l');
  CHECK(
      bench.ask("old 8\n\n" + other.note({.origin = "acme/other", .size = 9, .root = {}})).status ==
      404);
  const std::string empty = bench.note({.origin = "acme/log", .size = 0, .root = {}});
  CHECK(bench.ask("old 0\n\n" + empty).status == 422);
  CHECK(bench.last == before);
  CHECK(bench.ask(body).status == 200);
}
