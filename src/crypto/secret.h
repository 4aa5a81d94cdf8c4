// A text that must not leak: a token, a password, a private key in PEM.
//
// Its memory is overwritten when it dies or is moved from. It has no formatter and converts to
// nothing, so that it cannot be logged or written into JSON by accident: whoever needs the text
// says reveal(), which a reader can search for.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace latticegate::crypto {

class Secret {
 public:
  Secret() = default;
  // Copies the text; the source stays the caller's to wipe.
  explicit Secret(std::string_view text);
  // Copies the text and overwrites the source.
  static Secret taken_from(std::string& source);

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  // A second copy, asked for in so many words.
  Secret clone() const { return Secret(reveal()); }
  // Valid as long as this object lives and is not assigned to.
  std::string_view reveal() const [[clang::lifetimebound]] { return {text_.get(), size_}; }
  bool empty() const { return size_ == 0; }
  // Compares in time that depends on the lengths only.
  bool equals(std::string_view other) const;

 private:
  void wipe() noexcept;
  std::unique_ptr<char[]> text_;
  std::size_t size_ = 0;
};

// Overwrites the text in a way that no compiler removes, and empties it.
void wipe(std::string& text) noexcept;

}  // namespace latticegate::crypto
