#include "crypto/secret.h"

#include <openssl/crypto.h>

#include <utility>

#include "base/bytes.h"

namespace latticegate::crypto {

Secret::Secret(std::string_view text)
    : text_(text.empty() ? nullptr : std::make_unique_for_overwrite<char[]>(text.size())),
      size_(text.size()) {
  if (size_ != 0) text.copy(text_.get(), size_);
}

Secret Secret::taken_from(std::string& source) {
  Secret secret(source);
  crypto::wipe(source);
  return secret;
}

Secret::Secret(Secret&& other) noexcept
    : text_(std::move(other.text_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    text_ = std::move(other.text_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() { wipe(); }

bool Secret::equals(std::string_view other) const {
  return base::equal_in_constant_time(reveal(), other);
}

void Secret::wipe() noexcept {
  if (text_ != nullptr) OPENSSL_cleanse(text_.get(), size_);
}

void wipe(std::string& text) noexcept {
  text.resize(text.capacity());  // within the capacity: neither allocates nor moves
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace latticegate::crypto
