// Receipts, witness requests, bundles and the paths of tiles: what is read is written again byte
// for byte, and no receipt holds that the vector's key has not signed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/bundle.h"
#include "audit/receipt.h"
#include "audit/segment.h"
#include "audit/witness.h"
#include "base/result.h"
#include "crypto/signature.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace latticegate;

// The public Ed25519 key of the vector in tests/data/checkpoint, from the counting seed.
std::vector<audit::VerifierKey> vector_key() {
  std::string seed;
  for (char c = 0; c < 32; ++c) seed += c;
  auto key = crypto::SigningKey::from_seed(crypto::SignatureKind::ed25519, base::bytes_of(seed));
  base::check(key.has_value(), "a seed makes a key");
  const auto signer =
      audit::SignerKey::make("gw1.example/audit", audit::NoteKeyType::ed25519, std::move(*key));
  base::check(signer.has_value(), "a key signs");
  auto verifier = audit::VerifierKey::from_text(signer->verifier().text());
  base::check(verifier.has_value(), "a verifier key is read as it is written");
  std::vector<audit::VerifierKey> keys;
  keys.push_back(std::move(*verifier));
  return keys;
}

void read_receipt(std::string_view text) {
  static const std::vector<audit::VerifierKey> keys = vector_key();
  const auto receipt = audit::read_receipt(text);
  if (!receipt) return;
  base::check(audit::write_receipt(*receipt) == text, "a receipt is canonical");
  const std::string record = "record-" + std::to_string(receipt->index);
  const auto checked = audit::check_receipt(*receipt, keys, 1);
  base::check(!checked || checked->leaf == record, "only the vector's records were ever signed");
}

void read_request(std::string_view text) {
  if (const auto request = audit::read_add_checkpoint(text))
    base::check(audit::write_add_checkpoint(*request) == text, "a request is canonical");
}

void read_bundle(std::string_view bytes) {
  audit::BundleReader reader(bytes);
  std::string again;
  std::size_t largest = 0;
  while (const auto leaf = reader.next()) {
    largest = std::max(largest, leaf->size());
    if (largest <= audit::leaf_limit.count) audit::write_entry(*leaf, again);
  }
  if (reader.complete() && largest <= audit::leaf_limit.count)
    base::check(again == bytes, "a bundle is canonical");
  static_cast<void>(audit::tile_from_path(bytes));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text =
      size == 0 ? "" : std::string_view(reinterpret_cast<const char*>(data), size);
  read_receipt(text);
  read_request(text);
  read_bundle(text);
  return 0;
}
