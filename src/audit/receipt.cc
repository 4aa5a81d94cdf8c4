#include "audit/receipt.h"

#include <algorithm>
#include <charconv>
#include <format>

#include "audit/segment.h"

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::string_view magic = "c2sp.org/tlog-proof@v1";

std::unexpected<base::Error> wrong(std::string_view why) {
  return fail(Code::malformed, std::format("the receipt {}", why));
}

}  // namespace

Result<Receipt> read_receipt(std::string_view text) {
  if (text.size() > receipt_limit.count) return fail(Code::too_large, "the receipt is too large");
  Receipt receipt;
  const auto line = [&]() -> std::optional<std::string_view> {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view found = text.substr(0, end);
    text.remove_prefix(end + 1);
    return found;
  };
  auto next = line();
  if (next != magic) return wrong(std::format("does not begin with the line \"{}\"", magic));
  next = line();
  if (next && next->starts_with("extra ")) {
    receipt.extra = base::from_base64(next->substr(6));
    if (!receipt.extra) return wrong("has an extra line that is not base64");
    next = line();
  }
  if (!next || !next->starts_with("index ")) return wrong("has no index");
  const std::string_view digits = next->substr(6);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), receipt.index);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      std::to_string(receipt.index) != digits || receipt.index >= tree_size_limit)
    return wrong("has an index that is no number");
  for (next = line(); next && !next->empty(); next = line()) {
    const auto bytes = base::from_base64(*next);
    if (!bytes || bytes->size() != sizeof(Digest)) return wrong("has a line that is no hash");
    if (receipt.proof.size() == proof_limit) return wrong("has too many hashes");
    std::ranges::copy(base::bytes_of(*bytes), receipt.proof.emplace_back().begin());
  }
  if (!next) return wrong("ends before its checkpoint");
  receipt.checkpoint = text;
  return receipt;
}

std::string write_receipt(const Receipt& receipt) {
  std::string out(magic);
  out += '\n';
  if (receipt.extra)
    out += std::format("extra {}\n", base::to_base64(base::bytes_of(*receipt.extra)));
  out += std::format("index {}\n", receipt.index);
  for (const Digest& hash : receipt.proof) out += base::to_base64(hash) + "\n";
  return out + "\n" + receipt.checkpoint;
}

Result<Checked> check_receipt(const Receipt& receipt, std::span<const VerifierKey> known,
                              std::size_t required, std::optional<std::string_view> leaf) {
  if (!leaf && !receipt.extra)
    return fail(Code::invalid, "the receipt does not hold the record, and none was given");
  if (leaf && receipt.extra && *leaf != *receipt.extra)
    return fail(Code::invalid, "the record that was given is not the one in the receipt");
  auto head = open_checkpoint(receipt.checkpoint, known);
  if (!head) return std::unexpected(std::move(head).error());
  for (std::size_t key = 0; key < required; ++key)
    if (!head->endorsed_by(key))
      return fail(Code::crypto, std::format("key {}+{:08x} did not sign the checkpoint",
                                            known[key].name(), known[key].id()));
  Checked checked{.head = *std::move(head), .leaf = std::string(leaf ? *leaf : *receipt.extra)};
  const Checkpoint& checkpoint = checked.head.checkpoint;
  if (auto proved = verify_inclusion(receipt.index, checkpoint.size, leaf_hash(checked.leaf),
                                     receipt.proof, checkpoint.root);
      !proved)
    return std::unexpected(std::move(proved).error());
  return checked;
}

}  // namespace latticegate::audit
