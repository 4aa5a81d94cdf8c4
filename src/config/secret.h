// A value that is used but never shown: a credential, or a variable of a child's environment.
//
// It remembers where it came from, and that is all that any description prints. No formatter, no
// comparison.
#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace latticegate::config {

class Secret {
 public:
  // `origin` is a phrase for people: "env CRM_TOKEN", "file /run/secrets/crm", "text".
  Secret(std::string value, std::string origin)
      : value_(std::move(value)), origin_(std::move(origin)) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) noexcept = default;
  Secret& operator=(const Secret&) = default;
  Secret& operator=(Secret&&) noexcept = default;
  ~Secret();  // wipes

  // The value itself; call it only where the bytes are handed to the peer that they are meant for.
  std::string_view reveal() const [[clang::lifetimebound]] { return value_; }
  std::string_view origin() const [[clang::lifetimebound]] { return origin_; }

 private:
  std::string value_;
  std::string origin_;
};

}  // namespace latticegate::config
