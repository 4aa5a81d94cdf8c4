#include "store/log_keys.h"

#include <array>
#include <format>
#include <optional>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "crypto/secret.h"
#include "store/secret_file.h"

namespace latticegate::store {
namespace {

using audit::NoteKeyType;
using audit::SignerKey;
using audit::VerifierKey;
using base::Code;
using base::fail;
using base::Result;
using crypto::SignatureKind;
using crypto::SigningKey;

constexpr std::size_t lines_limit = 64;

constexpr std::array kinds{SignatureKind::ml_dsa_44, SignatureKind::ed25519};
using Pair = std::array<std::optional<SigningKey>, kinds.size()>;

std::filesystem::path path_of(const std::filesystem::path& folder, SignatureKind kind, bool next) {
  return folder / std::format("audit-{}{}.pem",
                              kind == SignatureKind::ml_dsa_44 ? "ml-dsa-44" : "ed25519",
                              next ? ".next" : "");
}
bool exists(const std::filesystem::path& folder, SignatureKind kind, bool next) {
  std::error_code ignored;
  return std::filesystem::exists(path_of(folder, kind, next), ignored);
}

// A private key from its file. Nothing: there is no such file.
Result<std::optional<SigningKey>> read_key(const std::filesystem::path& path, SignatureKind kind) {
  const auto secret = read_secret_file(path, crypto::signing_pem_limit.count);
  if (!secret) return std::unexpected(secret.error());
  if (!*secret) return std::optional<SigningKey>();
  auto key = SigningKey::from_pem((*secret)->reveal());
  if (!key) return base::within(path.string(), std::move(key).error());
  if (key->kind() != kind)
    return fail(Code::crypto, std::format("{} is no {} key", path.string(), crypto::name(kind)));
  return std::optional<SigningKey>(*std::move(key));
}

Result<void> write_key(const std::filesystem::path& path, const SigningKey& key) {
  const auto pem = key.pem();
  if (!pem) return std::unexpected(pem.error());
  return write_secret_file(path, pem->reveal());
}

// The keys that are there.
Result<Pair> read_pair(const std::filesystem::path& folder, bool next) {
  Pair keys;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    auto key = read_key(path_of(folder, kinds.at(i), next), kinds.at(i));
    if (!key) return std::unexpected(std::move(key).error());
    keys.at(i) = *std::move(key);
  }
  return keys;
}

// Puts the next keys in the place of the former, one after the other.
Result<void> put_next_in_place(const std::filesystem::path& folder) {
  for (const SignatureKind kind : kinds) {
    if (!exists(folder, kind, true)) continue;
    if (auto done = destroy_secret_file(path_of(folder, kind, false)); !done) return done;
    if (auto done = rename_secret_file(path_of(folder, kind, true), path_of(folder, kind, false));
        !done)
      return done;
  }
  return {};
}

// Making the next keys begins with the first kind, and so does putting them in place.
bool put_in_place_half(const std::filesystem::path& folder) {
  return exists(folder, kinds[1], true) &&
         (!exists(folder, kinds[0], true) || !exists(folder, kinds[0], false));
}

}  // namespace

Result<LogKeys> LogKeys::named(std::string_view origin, Result<SigningKey> ml_dsa_44,
                               Result<SigningKey> ed25519, KeyRole role) {
  if (!ml_dsa_44) return std::unexpected(std::move(ml_dsa_44).error());
  if (!ed25519) return std::unexpected(std::move(ed25519).error());
  auto first = SignerKey::make(origin, NoteKeyType::ml_dsa_44_cosignature, *std::move(ml_dsa_44));
  if (!first) return std::unexpected(std::move(first).error());
  auto second = SignerKey::make(
      origin, role == KeyRole::log ? NoteKeyType::ed25519 : NoteKeyType::ed25519_cosignature,
      *std::move(ed25519));
  if (!second) return std::unexpected(std::move(second).error());
  std::vector<SignerKey> keys;
  keys.push_back(*std::move(first));
  keys.push_back(*std::move(second));
  return LogKeys(std::move(keys));
}

Result<LogKeys> LogKeys::make(std::string_view origin) {
  return named(origin, SigningKey::make(SignatureKind::ml_dsa_44),
               SigningKey::make(SignatureKind::ed25519));
}

Result<LogKeys> LogKeys::from_seeds(std::string_view origin, std::string_view ml_dsa_44,
                                    std::string_view ed25519) {
  return named(origin, SigningKey::from_seed(SignatureKind::ml_dsa_44, base::bytes_of(ml_dsa_44)),
               SigningKey::from_seed(SignatureKind::ed25519, base::bytes_of(ed25519)));
}

Result<LogKeys> LogKeys::open(const std::filesystem::path& folder, std::string_view origin,
                              bool may_make, KeyRole role) {
  if (put_in_place_half(folder))
    if (auto done = put_next_in_place(folder); !done)
      return std::unexpected(std::move(done).error());
  auto read = read_pair(folder, false);
  if (!read) return std::unexpected(std::move(read).error());
  Pair keys = *std::move(read);
  if (!keys[0] || !keys[1]) {
    const SignatureKind missing = keys[0] ? kinds[1] : kinds[0];
    // One alone is what a first start leaves that was cut short; then no log exists either.
    if (!may_make)
      return fail(Code::not_found, std::format("the log's key {} is missing",
                                               path_of(folder, missing, false).string()));
    std::error_code error;
    if (std::filesystem::create_directories(folder, error))
      std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
    if (error)
      return fail(Code::io, std::format("cannot create {}: {}", folder.string(), error.message()));
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (keys.at(i)) continue;
      auto made = SigningKey::make(kinds.at(i));
      if (!made) return std::unexpected(std::move(made).error());
      if (auto written = write_key(path_of(folder, kinds.at(i), false), *made); !written)
        return std::unexpected(std::move(written).error());
      keys.at(i) = *std::move(made);
    }
  }
  auto current = named(origin, std::move(*keys[0]), std::move(*keys[1]), role);
  auto next = read_pair(folder, true);
  if (!next) return std::unexpected(std::move(next).error());
  // One alone is what making them leaves that was cut short.
  if (!current || !(*next)[0] || !(*next)[1]) return current;
  auto following = named(origin, std::move(*(*next)[0]), std::move(*(*next)[1]), role);
  if (!following) return following;
  return joined(*std::move(current), *std::move(following));
}

Result<void> LogKeys::make_next(const std::filesystem::path& folder) {
  if (exists(folder, kinds[0], true) && exists(folder, kinds[1], true))
    return fail(Code::conflict, "the log is getting other keys already");
  for (const SignatureKind kind : kinds) {
    if (auto done = destroy_secret_file(path_of(folder, kind, true)); !done) return done;
    const auto made = SigningKey::make(kind);
    if (!made) return std::unexpected(made.error());
    if (auto written = write_key(path_of(folder, kind, true), *made); !written) return written;
  }
  return {};
}

Result<void> LogKeys::drop_former(const std::filesystem::path& folder) {
  if (!exists(folder, kinds[0], true) || !exists(folder, kinds[1], true))
    return fail(Code::not_found, "the log is not getting other keys");
  return put_next_in_place(folder);
}

LogKeys LogKeys::joined(LogKeys former, LogKeys next) {
  for (SignerKey& key : next.keys_) former.keys_.push_back(std::move(key));
  return former;
}

Result<std::vector<VerifierKey>> LogKeys::verifiers() const {
  return read_verifier_keys(former_text() + public_text());
}

std::string LogKeys::text_of(std::size_t first) const {
  return keys_[first].verifier().text() + "\n" + keys_[first + 1].verifier().text() + "\n";
}
std::string LogKeys::public_text() const { return text_of(keys_.size() - 2); }
std::string LogKeys::former_text() const { return changing() ? text_of(0) : std::string(); }

Result<std::string> LogKeys::sign(const audit::Checkpoint& checkpoint,
                                  std::uint64_t timestamp) const {
  std::vector<audit::NoteSignature> lines;
  for (const SignerKey& key : keys_) {
    auto line = key.sign(checkpoint, timestamp);
    if (!line) return std::unexpected(std::move(line).error());
    lines.push_back(*std::move(line));
  }
  return audit::write_note(audit::write_checkpoint(checkpoint), lines);
}

Result<std::vector<VerifierKey>> read_verifier_keys(std::string_view text) {
  std::vector<VerifierKey> keys;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    if (keys.size() == lines_limit) return fail(Code::malformed, "too many verifier keys");
    auto key = VerifierKey::from_text(line);
    if (!key) return std::unexpected(std::move(key).error());
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) return fail(Code::invalid, "there is no verifier key in it");
  return keys;
}

}  // namespace latticegate::store
