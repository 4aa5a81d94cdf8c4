#include "audit/data_key.h"

#include <array>
#include <chrono>
#include <format>
#include <utility>

#include "audit/envelope.h"
#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

std::string random_text(std::size_t size, crypto::Random& random) {
  std::string bytes(size, '\0');
  random.fill(std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
  return bytes;
}

std::string context_of(const KeyInfo& info) {
  return std::format("latticegate-key-1\n{}\n{}\n{}\n{}\n{}", info.id, info.kek, info.purpose.label,
                     info.purpose.month, info.purpose.subject);
}

Result<KeyInfo> info_of(json::Value key) {
  KeyInfo info{.id = std::string(key["id"].text_or("")),
               .kek = std::string(key["kek"].text_or("")),
               .purpose = {.subject = std::string(key["subject"].text_or("")),
                           .label = std::string(key["label"].text_or("")),
                           .month = std::string(key["month"].text_or(""))}};
  if (key["v"].integer() != 1 || info.id.size() != body_key_id_size || !base::from_hex(info.id) ||
      info.purpose.month.size() != 7)
    return fail(Code::malformed, "no data key");
  return info;
}

}  // namespace

std::string month_of(base::Time time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
  return std::format("{:04}-{:02}", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()));
}

WrappingKey::WrappingKey(crypto::Secret bytes)
    : bytes_(std::move(bytes)),
      id_(crypto::to_hex(crypto::hmac_sha256(bytes_.reveal(), "latticegate key-encryption key"))
              .substr(0, 8)) {}

Result<WrappingKey> WrappingKey::from_text(std::string_view digits) {
  auto bytes = base::from_hex(digits);
  if (!bytes || bytes->size() != crypto::aead_key_size)
    return fail(Code::malformed, "a key-encryption key is 64 hexadecimal digits in lower case");
  return WrappingKey(crypto::Secret::taken_from(*bytes));
}

WrappingKey WrappingKey::make(crypto::Random& random) {
  std::string bytes = random_text(crypto::aead_key_size, random);
  return WrappingKey(crypto::Secret::taken_from(bytes));
}

crypto::Secret WrappingKey::text() const {
  std::string digits = base::to_hex(base::bytes_of(bytes_.reveal()));
  return crypto::Secret::taken_from(digits);
}

DataKey DataKey::make(KeyPurpose purpose, crypto::Random& random) {
  std::string bytes = random_text(crypto::aead_key_size, random);
  return {base::to_hex(base::bytes_of(random_text(body_key_id_size / 2, random))),
          std::move(purpose), crypto::Secret::taken_from(bytes)};
}

std::string DataKey::wrap(const WrappingKey& kek, crypto::Random& random) const {
  const KeyInfo info{.id = id_, .kek = kek.id(), .purpose = purpose_};
  const std::string wrapped =
      crypto::seal(kek.bytes_.reveal(), bytes_.reveal(), context_of(info), random);
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("id", info.id)
      .member("kek", info.kek)
      .member("label", purpose_.label)
      .member("month", purpose_.month)
      .member("subject", purpose_.subject)
      .member("v", std::int64_t{1})
      .member("wrapped", base::to_hex(base::bytes_of(wrapped)))
      .end_object();
  return out;
}

Result<DataKey> DataKey::unwrap(std::string_view text, std::span<const WrappingKey> keks) {
  const auto document = json::Document::parse(text);
  if (!document) return std::unexpected(document.error());
  auto info = info_of(document->root());
  if (!info) return std::unexpected(std::move(info).error());
  const auto wrapped = base::from_hex(document->root()["wrapped"].text_or(""));
  if (!wrapped) return fail(Code::malformed, "no data key");
  for (const WrappingKey& kek : keks) {
    if (kek.id() != info->kek) continue;
    auto bytes = crypto::open(kek.bytes_.reveal(), *wrapped, context_of(*info));
    if (!bytes) return fail(Code::crypto, std::format("data key {} does not open", info->id));
    if (bytes->size() != crypto::aead_key_size) return fail(Code::malformed, "no data key");
    return DataKey(std::move(info->id), std::move(info->purpose),
                   crypto::Secret::taken_from(*bytes));
  }
  return fail(Code::not_found, std::format("data key {} is wrapped by key {}, which is not here",
                                           info->id, info->kek));
}

Result<KeyInfo> read_key_info(std::string_view text) {
  const auto document = json::Document::parse(text);
  if (!document) return std::unexpected(document.error());
  return info_of(document->root());
}

}  // namespace latticegate::audit
