#include "audit/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <optional>
#include <utility>

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

void put_number(std::string& out, std::uint64_t number) {
  for (unsigned shift = 64; shift > 0; shift -= 8)
    out += static_cast<char>((number >> (shift - 8)) & 0xFFU);
}

// One byte of length and the name.
void put_name(std::string& out, std::string_view name) {
  base::check(name.size() <= key_name_limit, "a name's length fits one byte");
  out += static_cast<char>(name.size());
  out += name;
}

std::optional<std::string_view> line_of(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

// Digits without leading zeros.
std::optional<std::uint64_t> decimal(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number > tree_size_limit ||
      (text.size() > 1 && text.front() == '0'))
    return std::nullopt;
  return number;
}

std::optional<NoteKeyType> type_of(char byte) {
  for (const NoteKeyType type : {NoteKeyType::ed25519, NoteKeyType::ed25519_cosignature,
                                 NoteKeyType::ml_dsa_44_cosignature}) {
    if (static_cast<char>(type) == byte) return type;
  }
  return std::nullopt;
}

crypto::SignatureKind kind_of(NoteKeyType type) {
  return type == NoteKeyType::ml_dsa_44_cosignature ? crypto::SignatureKind::ml_dsa_44
                                                    : crypto::SignatureKind::ed25519;
}

}  // namespace

std::string write_checkpoint(const Checkpoint& checkpoint) {
  base::check(is_key_name(checkpoint.origin) && checkpoint.size <= tree_size_limit,
              "a checkpoint is one that can be read");
  return std::format("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size,
                     base::to_base64(checkpoint.root));
}

Result<Checkpoint> read_checkpoint(std::string_view text) {
  const auto origin = line_of(text);
  if (!origin || !is_key_name(*origin))
    return fail(Code::malformed, "a checkpoint has no proper origin");
  const auto digits = line_of(text);
  const auto size = digits ? decimal(*digits) : std::nullopt;
  if (!size) return fail(Code::malformed, "a checkpoint has no proper size");
  const auto line = line_of(text);
  const auto root = line ? base::from_base64(*line) : std::nullopt;
  if (!root || root->size() != sizeof(Digest))
    return fail(Code::malformed, "a checkpoint has no proper root");
  if (!text.empty()) return fail(Code::unsupported, "a checkpoint has extension lines");
  Checkpoint checkpoint{.origin = std::string(*origin), .size = *size};
  std::ranges::copy(base::bytes_of(*root), checkpoint.root.begin());
  if (checkpoint.size == 0 && checkpoint.root != empty_root())
    return fail(Code::invalid, "a checkpoint of no leaves has a root that is not the empty one");
  return checkpoint;
}

std::string signed_message(NoteKeyType type, std::string_view key_name,
                           const Checkpoint& checkpoint, std::uint64_t timestamp) {
  if (type == NoteKeyType::ed25519) return write_checkpoint(checkpoint);
  if (type == NoteKeyType::ed25519_cosignature)
    return std::format("cosignature/v1\ntime {}\n{}", timestamp, write_checkpoint(checkpoint));
  std::string out("subtree/v1\n\0", 12);
  put_name(out, key_name);
  put_number(out, timestamp);
  put_name(out, checkpoint.origin);
  put_number(out, 0);  // the subtree begins with the log
  put_number(out, checkpoint.size);
  out += base::text_of(checkpoint.root);
  return out;
}

VerifierKey::VerifierKey(std::string name, NoteKeyType type, crypto::PublicKey key)
    : name_(std::move(name)),
      type_(type),
      key_(std::move(key)),
      id_(key_id(name_, type_, key_.bytes())) {}

Result<VerifierKey> VerifierKey::from_text(std::string_view text) {
  const auto wrong = [](std::string_view why) {
    return fail(Code::malformed, std::format("a verifier key {}", why));
  };
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return wrong("does not have three parts");
  const std::string_view name = text.substr(0, first);
  if (!is_key_name(name)) return wrong("has no proper name");
  const std::string_view id = text.substr(first + 1, second - first - 1);
  const std::string_view encoded = text.substr(second + 1);
  if (encoded.size() > 4096) return wrong("is too long");
  const auto bytes = base::from_base64(encoded);
  if (!bytes || bytes->empty()) return wrong("is not base64");
  const auto type = type_of(bytes->front());
  if (!type) return fail(Code::unsupported, "a verifier key is of a type that we do not know");
  auto key = crypto::PublicKey::from_bytes(kind_of(*type),
                                           base::bytes_of(std::string_view(*bytes).substr(1)));
  if (!key) return base::within("reading a verifier key", std::move(key.error()));
  VerifierKey verifier(std::string(name), *type, std::move(*key));
  if (id != std::format("{:08x}", verifier.id_)) return wrong("has the id of another");
  return verifier;
}

std::string VerifierKey::text() const {
  std::string bytes(1, static_cast<char>(type_));
  bytes += key_.bytes();
  return std::format("{}+{:08x}+{}", name_, id_, base::to_base64(base::bytes_of(bytes)));
}

Result<std::uint64_t> VerifierKey::verify(const Checkpoint& checkpoint,
                                          const NoteSignature& signature) const {
  const auto wrong = [&] {
    return fail(Code::crypto, std::format("the signature of {} is wrong", name_));
  };
  if (!signed_line(signature)) return wrong();
  std::string_view bytes = signature.bytes;
  std::uint64_t timestamp = 0;
  if (type_ != NoteKeyType::ed25519) {
    if (bytes.size() < 8) return wrong();
    for (const char c : bytes.substr(0, 8))
      timestamp = (timestamp << 8U) | static_cast<unsigned char>(c);
    bytes.remove_prefix(8);
    if (timestamp > timestamp_limit) return wrong();
  }
  if (!key_.verify(signed_message(type_, name_, checkpoint, timestamp), bytes)) return wrong();
  return timestamp;
}

Result<SignerKey> SignerKey::make(std::string_view name, NoteKeyType type, crypto::SigningKey key) {
  if (!is_key_name(name)) return fail(Code::invalid, "a signing key has no proper name");
  if (key.kind() != kind_of(type))
    return fail(Code::invalid,
                std::format("a key of {} cannot sign as {}", name, crypto::name(kind_of(type))));
  auto pub = key.public_key();
  if (!pub) return std::unexpected(std::move(pub.error()));
  return SignerKey(VerifierKey(std::string(name), type, std::move(*pub)), std::move(key));
}

Result<NoteSignature> SignerKey::sign(const Checkpoint& checkpoint, std::uint64_t timestamp,
                                      crypto::Hedge hedge) const {
  if (timestamp > timestamp_limit) return fail(Code::invalid, "a timestamp is above its limit");
  auto signature =
      key_.sign(signed_message(verifier_.type(), verifier_.name(), checkpoint, timestamp), hedge);
  if (!signature) return std::unexpected(std::move(signature.error()));
  NoteSignature line{.name = verifier_.name(), .key_id = verifier_.id(), .bytes = {}};
  if (verifier_.type() != NoteKeyType::ed25519) put_number(line.bytes, timestamp);
  line.bytes += *signature;
  return line;
}

bool SignedCheckpoint::endorsed_by(std::size_t key) const {
  return std::ranges::contains(endorsements, key, &Endorsement::key);
}

Result<SignedCheckpoint> open_checkpoint(std::string_view bytes, std::span<const VerifierKey> known,
                                         std::string_view origin) {
  const auto note = read_note(bytes);
  if (!note) return std::unexpected(note.error());
  auto checkpoint = read_checkpoint(note->text);
  if (!checkpoint) return std::unexpected(std::move(checkpoint.error()));
  if (!origin.empty() && checkpoint->origin != origin)
    return fail(Code::invalid, std::format("a checkpoint is of the log {}, not of {}",
                                           checkpoint->origin, origin));
  SignedCheckpoint opened{.checkpoint = std::move(*checkpoint), .endorsements = {}};
  for (const NoteSignature& line : note->signatures) {
    const auto mine = [&](const VerifierKey& key) { return key.signed_line(line); };
    const auto key = std::ranges::find_if(known, mine);
    if (key == known.end()) continue;
    if (std::find_if(key + 1, known.end(), mine) != known.end())
      return fail(Code::invalid, std::format("two known keys are called {}", line.name));
    const auto timestamp = key->verify(opened.checkpoint, line);
    if (!timestamp) return std::unexpected(timestamp.error());
    opened.endorsements.push_back({static_cast<std::size_t>(key - known.begin()), *timestamp});
  }
  if (opened.endorsements.empty())
    return fail(Code::crypto, "no known key has signed the checkpoint");
  return opened;
}

}  // namespace latticegate::audit
