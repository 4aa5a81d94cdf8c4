#include "crypto/aead.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "base/result.h"

namespace latticegate::crypto {
namespace {

constexpr std::size_t nonce_size = 12;
constexpr std::size_t tag_size = 16;
constexpr std::size_t longest = std::size_t{1} << 30U;  // libcrypto counts in int

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
int size(std::string_view text) { return static_cast<int>(text.size()); }

Context context_for(std::string_view key, std::string_view nonce, std::string_view about,
                    bool encrypt) {
  base::check(key.size() == aead_key_size && about.size() < longest, "a key of another size");
  Context context(EVP_CIPHER_CTX_new());
  int ignored = 0;
  const bool good =
      context != nullptr &&
      EVP_CipherInit_ex2(context.get(), EVP_aes_256_gcm(), raw(key), raw(nonce), encrypt ? 1 : 0,
                         nullptr) == 1 &&
      EVP_CipherUpdate(context.get(), nullptr, &ignored, raw(about), size(about)) == 1;
  base::check(good, "libcrypto has no AES-256-GCM");
  return context;
}

}  // namespace

std::string seal(std::string_view key, std::string_view text, std::string_view about,
                 Random& random) {
  base::check(text.size() < longest, "a text of this size is not sealed");
  std::array<std::byte, nonce_size> bytes{};
  random.fill(bytes);
  const std::string nonce(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Context context = context_for(key, nonce, about, true);
  std::string sealed(text.size(), '\0');
  std::string tag(tag_size, '\0');
  int count = 0;
  int rest = 0;
  const bool good =
      EVP_CipherUpdate(context.get(), raw(sealed), &count, raw(text), size(text)) == 1 &&
      EVP_CipherFinal_ex(context.get(), raw(sealed) + count, &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, tag_size, tag.data()) == 1;
  base::check(good, "libcrypto does not seal");
  return nonce + sealed + tag;
}

std::optional<std::string> open(std::string_view key, std::string_view sealed,
                                std::string_view about) {
  if (sealed.size() < nonce_size + tag_size || sealed.size() >= longest) return std::nullopt;
  const Context context = context_for(key, sealed.substr(0, nonce_size), about, false);
  std::string tag(sealed.substr(sealed.size() - tag_size));
  const std::string_view body = sealed.substr(nonce_size, sealed.size() - nonce_size - tag_size);
  std::string text(body.size(), '\0');
  int count = 0;
  int rest = 0;
  const bool good =
      EVP_CipherUpdate(context.get(), raw(text), &count, raw(body), size(body)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1 &&
      EVP_CipherFinal_ex(context.get(), raw(text) + count, &rest) == 1;
  ERR_clear_error();
  if (!good) return std::nullopt;
  return text;
}

}  // namespace latticegate::crypto
