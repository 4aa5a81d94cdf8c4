// Skim: walks over JSON text that we wrote ourselves, without a tree: members are found, and values
// that nobody wants are passed over unread.
//
//   Skim skim(text);
//   std::string_view key;
//   for (skim.enter(); skim.member(key);)
//     if (key == "why") why = skim.value(); else skim.value();
//   if (skim.odd()) ...   // not such a text: parse it
//
// Posture: any bytes, but it is no parser. Only canonical text (RFC 8785: no white space, members
// in ascending order, and so none twice) is walked over; anything else on the way, also a key with
// an escape or out of the plain order of bytes, is `odd`, and then nothing that was found counts.
// What is inside of values that are passed over is not looked at: whoever needs to know that the
// text is JSON uses json::Document. Fuzz target: fuzz/json_fuzz.cc. Lifetimes: views into the text.
#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

namespace latticegate::json {

class Skim {
 public:
  explicit Skim(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  // Goes into the object that begins here.
  void enter() {
    fresh_ = true;
    if (!take('{')) fail();
  }
  // The key of the next member of the object that was entered last, whose value comes then; false
  // at its end. `key` is that of the member before, or the empty view that nothing was put into.
  bool member(std::string_view& key);
  // Goes into the list that begins here; element() says whether one comes next.
  void enter_list() {
    fresh_ = true;
    if (!take('[')) fail();
  }
  bool element();
  // Passes over the value that begins here: all of its bytes.
  std::string_view value();
  // The byte that comes next; 0 at the end.
  char peek() const { return at_ == end_ ? '\0' : *at_; }
  // What is not walked over yet.
  std::string_view rest() const { return {at_, static_cast<std::size_t>(end_ - at_)}; }

  // It is no such text. Everything says "end" from then on.
  bool odd() const { return odd_; }

 private:
  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  void find_mark();
  void pass_string();
  void pass_value();
  void pass_nested();
  void fail() {
    odd_ = true;
    at_ = end_;
  }
  const char* at_;
  const char* end_;
  bool fresh_ = false;  // nothing of the object was read yet
  bool odd_ = false;
};

// What a string says whose bytes need no unescaping; nothing for others.
inline std::optional<std::string_view> plain_string(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.contains('\\')) return std::nullopt;
  return value.substr(1, value.size() - 2);
}

}  // namespace latticegate::json
