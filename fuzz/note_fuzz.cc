// Notes and what is in them: what is read is written again byte for byte, and nothing opens that
// the known keys have not signed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/note.h"
#include "audit/tree.h"
#include "base/result.h"
#include "crypto/signature.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace latticegate;

// The public keys of the vector in tests/data/checkpoint: both from the counting seed.
std::vector<audit::VerifierKey> vector_keys() {
  std::string seed;
  for (char c = 0; c < 32; ++c) seed += c;
  std::vector<audit::VerifierKey> keys;
  for (const auto& [kind, type] :
       {std::pair{crypto::SignatureKind::ed25519, audit::NoteKeyType::ed25519},
        std::pair{crypto::SignatureKind::ml_dsa_44, audit::NoteKeyType::ml_dsa_44_cosignature}}) {
    auto key = crypto::SigningKey::from_seed(kind, base::bytes_of(seed));
    base::check(key.has_value(), "a seed makes a key");
    const auto signer = audit::SignerKey::make("gw1.example/audit", type, std::move(*key));
    base::check(signer.has_value(), "a key signs");
    auto verifier = audit::VerifierKey::from_text(signer->verifier().text());
    base::check(verifier.has_value(), "a verifier key is read as it is written");
    keys.push_back(std::move(*verifier));
  }
  return keys;
}

void read_note(std::string_view text) {
  static const std::vector<audit::VerifierKey> keys = vector_keys();
  const auto note = audit::read_note(text);
  if (!note) return;
  base::check(audit::write_note(note->text, note->signatures) == text, "a note is canonical");
  const auto opened = audit::open_checkpoint(text, keys);
  if (!opened) return;
  const auto checkpoint = audit::read_checkpoint(note->text);
  base::check(checkpoint.has_value() && *checkpoint == opened->checkpoint,
              "what opens is what is written");
  base::check(opened->checkpoint.origin == "gw1.example/audit" && opened->checkpoint.size == 3,
              "only the vector was ever signed");
}

void read_parts(std::string_view text) {
  if (const auto checkpoint = audit::read_checkpoint(text))
    base::check(audit::write_checkpoint(*checkpoint) == text, "a checkpoint is canonical");
  if (const auto key = audit::VerifierKey::from_text(text))
    base::check(key->text() == text, "a verifier key is canonical");
  if (const auto range = audit::CompactRange::from_bytes(text)) {
    base::check(range->bytes() == text, "a compact range is canonical");
    static_cast<void>(range->root());
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text =
      size == 0 ? "" : std::string_view(reinterpret_cast<const char*>(data), size);
  read_note(text);
  read_parts(text);
  return 0;
}
