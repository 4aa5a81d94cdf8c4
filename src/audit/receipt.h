// The receipt for one record: C2SP tlog-proof, one text file that proves to whoever has the log's
// public key that the record is in the log, without the log.
//
//   c2sp.org/tlog-proof@v1
//   extra <base64>              optional; ours holds the record itself
//   index <decimal>
//   <base64 hash>               from the leaves upwards, one a line
//   <empty line>
//   <checkpoint, verbatim>
//
// Posture: receipts come from whoever wants to be believed. Nothing in one counts before
// check_receipt() has verified the signatures and the path; `extra` is bound to the rest only by
// being the leaf that the path begins with. Limits: receipt_limit, proof_limit hashes. Fuzz target:
// fuzz/receipt_fuzz.cc.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/checkpoint.h"
#include "audit/tree.h"
#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::audit {

inline constexpr base::Bytes receipt_limit{256 * 1024};

struct Receipt {
  std::optional<std::string> extra;  // the leaf
  std::uint64_t index = 0;
  Proof proof;
  std::string checkpoint;  // the note
  bool operator==(const Receipt&) const = default;
};

[[nodiscard]] base::Result<Receipt> read_receipt(std::string_view text);
// The checkpoint must be a note.
std::string write_receipt(const Receipt& receipt);

struct Checked {
  SignedCheckpoint head;
  std::string leaf;
};
// That the leaf (the one in the receipt, if none is given) is record `index` of the tree under the
// receipt's checkpoint, and that the first `required` of the known keys all signed that; the others
// may have. Code::crypto: it does not hold. Code::invalid: there is no leaf to check, or there are
// two.
[[nodiscard]] base::Result<Checked> check_receipt(const Receipt& receipt,
                                                  std::span<const VerifierKey> known,
                                                  std::size_t required,
                                                  std::optional<std::string_view> leaf = {});

}  // namespace latticegate::audit
