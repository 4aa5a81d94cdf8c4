#include "crypto/jws.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <format>
#include <memory>

#include "base/bytes.h"

namespace latticegate::crypto {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t half = 32;  // bytes of each number of an ES256 signature

struct Free {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};

int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/) { return -1; }

// The two numbers side by side, in place of their DER form.
Result<std::string> plain(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<ECDSA_SIG, Free> parsed(
      d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size())));
  std::array<unsigned char, 2 * half> out{};
  if (parsed == nullptr || BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), out.data(), half) != half ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), out.data() + half, half) != half)
    return fail(Code::crypto, "a signature is not of P-256");
  return std::string(reinterpret_cast<const char*>(out.data()), out.size());
}

}  // namespace

Result<JwsKey> JwsKey::from_pem(std::string_view pem) {
  if (pem.size() > signing_pem_limit.count) return fail(Code::too_large, "a key of this size");
  const std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KeyHandle key(bio == nullptr
                    ? nullptr
                    : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) return fail(Code::crypto, "no private key in PEM without a passphrase");
  std::array<char, 32> group{};
  if (EVP_PKEY_is_a(key.get(), "EC") == 1 &&
      EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) == 1 &&
      std::string_view(group.data()) == "prime256v1")
    return JwsKey(std::move(key), true);
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1 && EVP_PKEY_get_bits(key.get()) >= 2048)
    return JwsKey(std::move(key), false);
  return fail(Code::crypto, "the key is neither of P-256 nor RSA with 2,048 bits");
}

Result<std::string> JwsKey::sign(std::string_view payload) const {
  const std::string header = std::format(R"({{"alg":"{}","typ":"JWT"}})", algorithm());
  std::string token = base::to_base64url(base::bytes_of(header)) + "." +
                      base::to_base64url(base::bytes_of(payload));
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  const auto* text = reinterpret_cast<const unsigned char*>(token.data());
  std::size_t size = 0;
  std::string signature;
  const bool begun = context != nullptr &&
                     EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr,
                                           key_.get(), nullptr) == 1 &&
                     EVP_DigestSign(context.get(), nullptr, &size, text, token.size()) == 1;
  if (begun) signature.resize(size);
  if (!begun || EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                               &size, text, token.size()) != 1) {
    ERR_clear_error();
    return fail(Code::crypto, "libcrypto does not sign");
  }
  signature.resize(size);
  if (elliptic_) {
    auto numbers = plain(signature);
    if (!numbers) return numbers;
    signature = *std::move(numbers);
  }
  return token + "." + base::to_base64url(base::bytes_of(signature));
}

}  // namespace latticegate::crypto
