#include "crypto/signature.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <format>
#include <span>
#include <utility>

namespace latticegate::crypto {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeContext>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeContext>;
using BioPtr = std::unique_ptr<BIO, FreeContext>;

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::unexpected<base::Error> refused(std::string_view what) {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return fail(Code::crypto,
              std::format("{}: {}", what, reason == nullptr ? "no reason given" : reason));
}

// Terminated, as libcrypto wants it.
const char* libcrypto_name(SignatureKind kind) {
  return kind == SignatureKind::ed25519 ? "ED25519" : "ML-DSA-44";
}

// No passphrase is ever asked for, least of all on the terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/) { return -1; }

}  // namespace

std::string_view name(SignatureKind kind) { return libcrypto_name(kind); }

std::size_t public_key_size(SignatureKind kind) {
  return kind == SignatureKind::ed25519 ? 32 : 1312;
}

std::size_t signature_size(SignatureKind kind) {
  return kind == SignatureKind::ed25519 ? 64 : 2420;
}

void FreeKey::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

Result<PublicKey> PublicKey::from_bytes(SignatureKind kind, base::ByteView bytes) {
  if (bytes.size() != public_key_size(kind))
    return fail(Code::crypto, std::format("a public key of {} has {} bytes, not {}", name(kind),
                                          public_key_size(kind), bytes.size()));
  std::string copy(base::text_of(bytes));
  KeyHandle key(EVP_PKEY_new_raw_public_key_ex(nullptr, libcrypto_name(kind), nullptr, raw(copy),
                                               copy.size()));
  if (key == nullptr) return refused("reading a public key");
  return PublicKey(kind, std::move(key), std::move(copy));
}

bool PublicKey::verify(std::string_view message, std::string_view signature) const {
  if (signature.size() != signature_size(kind_)) return false;
  const DigestContext context(EVP_MD_CTX_new());
  const bool good = context != nullptr &&
                    EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr,
                                            key_.get(), nullptr) == 1 &&
                    EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(message),
                                     message.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

Result<SigningKey> SigningKey::make(SignatureKind kind) {
  KeyHandle key(EVP_PKEY_Q_keygen(nullptr, nullptr, libcrypto_name(kind)));
  if (key == nullptr) return refused("making a signing key");
  return SigningKey(kind, std::move(key));
}

Result<SigningKey> SigningKey::from_seed(SignatureKind kind, base::ByteView seed) {
  if (seed.size() != signing_seed_size)
    return fail(Code::crypto,
                std::format("a seed has {} bytes, not {}", signing_seed_size, seed.size()));
  const std::string_view bytes = base::text_of(seed);
  if (kind == SignatureKind::ed25519) {
    KeyHandle key(EVP_PKEY_new_raw_private_key_ex(nullptr, libcrypto_name(kind), nullptr,
                                                  raw(bytes), bytes.size()));
    if (key == nullptr) return refused("reading a seed");
    return SigningKey(kind, std::move(key));
  }
  std::array<unsigned char, signing_seed_size> copy{};  // libcrypto's parameters are not const
  std::ranges::copy(std::span(raw(bytes), bytes.size()), copy.begin());
  const std::array parameters{
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_DSA_SEED, copy.data(), copy.size()),
      OSSL_PARAM_construct_end()};
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, libcrypto_name(kind), nullptr));
  EVP_PKEY* made = nullptr;
  const bool good = context != nullptr && EVP_PKEY_keygen_init(context.get()) == 1 &&
                    EVP_PKEY_CTX_set_params(context.get(), parameters.data()) == 1 &&
                    EVP_PKEY_generate(context.get(), &made) == 1;
  OPENSSL_cleanse(copy.data(), copy.size());
  KeyHandle key(made);
  if (!good) return refused("expanding a seed");
  return SigningKey(kind, std::move(key));
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  if (pem.size() > signing_pem_limit.count)
    return fail(Code::too_large, "a signing key in PEM is longer than its limit");
  const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KeyHandle key(in == nullptr ? nullptr
                              : PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) return refused("reading a signing key");
  for (const SignatureKind kind : {SignatureKind::ed25519, SignatureKind::ml_dsa_44}) {
    if (EVP_PKEY_is_a(key.get(), libcrypto_name(kind)) == 1)
      return SigningKey(kind, std::move(key));
  }
  return fail(Code::unsupported, "a signing key is neither Ed25519 nor ML-DSA-44");
}

Result<Secret> SigningKey::pem() const {
  const BioPtr out(BIO_new(BIO_s_secmem()));
  if (out == nullptr || PEM_write_bio_PKCS8PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1)
    return refused("writing a signing key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return Secret(std::string_view(data, static_cast<std::size_t>(size)));
}

Result<PublicKey> SigningKey::public_key() const {
  std::string bytes(public_key_size(kind_), '\0');
  std::size_t size = bytes.size();
  if (EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(bytes.data()),
                                  &size) != 1)
    return refused("reading a public key");
  bytes.resize(size);
  return PublicKey::from_bytes(kind_, base::bytes_of(bytes));
}

Result<std::string> SigningKey::sign(std::string_view message, Hedge hedge) const {
  int deterministic = 1;
  const std::array fixed{
      OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_DETERMINISTIC, &deterministic),
      OSSL_PARAM_construct_end()};
  const bool plain = hedge == Hedge::random || kind_ == SignatureKind::ed25519;
  const DigestContext context(EVP_MD_CTX_new());
  std::string signature(signature_size(kind_), '\0');
  std::size_t size = signature.size();
  if (context == nullptr ||
      EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key_.get(),
                            plain ? nullptr : fixed.data()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     raw(message), message.size()) != 1)
    return refused("signing");
  signature.resize(size);
  return signature;
}

}  // namespace latticegate::crypto
