#include "crypto/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <climits>
#include <span>

#include "base/result.h"

namespace latticegate::crypto {
namespace {

const EVP_MD* fetched_sha256() {
  // Never freed: libcrypto may have run its own clean-up before our static destructors do.
  static const EVP_MD* const digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  base::check(digest != nullptr, "libcrypto has SHA-256");
  return digest;
}

unsigned char* raw(Digest& digest) { return reinterpret_cast<unsigned char*>(digest.data()); }

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  base::check(context_ != nullptr, "libcrypto makes a digest context");
  start();
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::start() {
  base::check(EVP_DigestInit_ex2(context_.get(), fetched_sha256(), nullptr) == 1,
              "SHA-256 can be started");
}

Sha256& Sha256::update(base::ByteView bytes) {
  base::check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1,
              "SHA-256 takes bytes");
  return *this;
}

Digest Sha256::finish() {
  Digest digest;
  base::check(EVP_DigestFinal_ex(context_.get(), raw(digest), nullptr) == 1, "SHA-256 ends");
  start();
  return digest;
}

Digest sha256(base::ByteView bytes) {
  thread_local Sha256 hash;  // a scratch context: holds nothing between two calls
  return hash.update(bytes).finish();
}

Digest sha256(std::string_view text) { return sha256(base::bytes_of(text)); }

Digest hmac_sha256(base::ByteView key, base::ByteView message) {
  base::check(key.size() <= INT_MAX, "an HMAC key is short");
  Digest digest;
  const std::string_view text = base::text_of(message);
  // A null key would mean "the key of the last call" to libcrypto.
  const void* const start = key.empty() ? static_cast<const void*>("") : key.data();
  const auto* const result =
      HMAC(fetched_sha256(), start, static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), raw(digest), nullptr);
  base::check(result != nullptr, "HMAC-SHA-256 works");
  return digest;
}

Digest hmac_sha256(std::string_view key, std::string_view message) {
  return hmac_sha256(base::bytes_of(key), base::bytes_of(message));
}

std::string to_hex(const Digest& digest) { return base::to_hex(digest); }

}  // namespace latticegate::crypto
