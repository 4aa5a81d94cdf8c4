#include "audit/witness.h"

#include <algorithm>
#include <charconv>
#include <format>

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

std::unexpected<base::Error> wrong(std::string_view why) {
  return fail(Code::malformed, std::format("the request {}", why));
}

WitnessAnswer refused(unsigned status, std::string_view why) {
  return {.status = status, .body = std::string(why) + "\n", .store = {}};
}

}  // namespace

Result<AddCheckpoint> read_add_checkpoint(std::string_view body) {
  if (body.size() > note_limit.count + 4096) return wrong("is too large");
  AddCheckpoint request;
  const auto line = [&]() -> std::optional<std::string_view> {
    const std::size_t end = body.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view found = body.substr(0, end);
    body.remove_prefix(end + 1);
    return found;
  };
  auto next = line();
  if (!next || !next->starts_with("old ")) return wrong("does not begin with the old size");
  const std::string_view digits = next->substr(4);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), request.old_size);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      std::to_string(request.old_size) != digits || request.old_size > tree_size_limit)
    return wrong("has an old size that is no number");
  for (next = line(); next && !next->empty(); next = line()) {
    const auto bytes = base::from_base64(*next);
    if (!bytes || bytes->size() != sizeof(Digest)) return wrong("has a line that is no hash");
    if (request.proof.size() == witness_proof_limit) return wrong("has too many hashes");
    std::ranges::copy(base::bytes_of(*bytes), request.proof.emplace_back().begin());
  }
  if (!next) return wrong("ends before its checkpoint");
  request.note = body;
  return request;
}

std::string write_add_checkpoint(const AddCheckpoint& request) {
  std::string out = std::format("old {}\n", request.old_size);
  for (const Digest& hash : request.proof) out += base::to_base64(hash) + "\n";
  return out + "\n" + request.note;
}

WitnessAnswer answer_add_checkpoint(std::string_view body, std::span<const VerifierKey> log_keys,
                                    const std::optional<Checkpoint>& last,
                                    std::span<const SignerKey> signers, std::uint64_t now) {
  const auto request = read_add_checkpoint(body);
  if (!request) return refused(400, request.error().detail);
  const auto note = read_note(request->note);
  if (!note) return refused(400, note.error().detail);
  const auto claimed = read_checkpoint(note->text);
  if (!claimed)
    return refused(claimed.error().code == Code::invalid ? 422 : 400, claimed.error().detail);
  if (log_keys.empty() || claimed->origin != log_keys.front().name())
    return refused(404, std::format("no log \"{}\" is known here", claimed->origin));
  const auto opened = open_checkpoint(request->note, log_keys, log_keys.front().name());
  if (!opened) return refused(403, opened.error().detail);
  for (std::size_t key = 0; key < log_keys.size(); ++key)
    if (!opened->endorsed_by(key)) return refused(403, "a key of the log did not sign");
  const Checkpoint& checkpoint = opened->checkpoint;
  if (request->old_size > checkpoint.size)
    return refused(400, "the old size is larger than the checkpoint's");
  const std::uint64_t known = last ? last->size : 0;
  if (request->old_size != known)
    return {.status = 409, .body = std::format("{}\n", known), .store = {}};
  if (known == 0) {
    if (!request->proof.empty()) return refused(422, "nothing is to be proved from no record");
  } else if (auto proved = verify_consistency(known, checkpoint.size, last->root, checkpoint.root,
                                              request->proof);
             !proved) {
    return refused(422, proved.error().detail);
  }
  WitnessAnswer answer{.status = 200, .body = {}, .store = checkpoint};
  for (const SignerKey& signer : signers) {
    const auto signature = signer.sign(checkpoint, now);
    if (!signature) return refused(500, "cannot sign");
    answer.body += write_signature(*signature);
  }
  return answer;
}

}  // namespace latticegate::audit
