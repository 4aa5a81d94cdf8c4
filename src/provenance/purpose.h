// Purpose: what a conversation is for, as it was said in words, and what of a call those words
// name.
//
// Said by the operator in the configuration, by the client in `_meta`, or by choosing a prompt. The
// words of the last two are the agent's word: whoever turned the agent can say anything. So what is
// said after something untrusted was read explains nothing, and is told as `late`; what was said
// before stays as it was. A restart forgets what clients said, not what they had read by then.
//
// Nothing is understood: a thing is named when its own name stands among the words, letters and
// digits compared without case, everything else a blank; a value when it stands there as it is.
// "Refund order 4711 to ann@shop.example" names the tool `refund_order`, the number 4711 and that
// address.
//
// A plain value, at most 8 texts of 4 KiB (longer ones are cut, the oldest client's goes); the
// owner locks. Asking costs a search through them: some hundred nanoseconds.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace latticegate::provenance {

enum class Said : std::uint8_t { configuration, client, prompt };
std::string_view name(Said by);

class Purpose {
 public:
  static constexpr std::size_t longest = 4'096;
  static constexpr std::size_t most = 8;

  // `untrusted`: something untrusted was read before. What was said already is no news. True when
  // the text counts from now on.
  bool say(Said by, std::string_view text, bool untrusted, base::Time now);
  // Whoever it was, it does not hold any more.
  void unsay(Said by);
  // What clients said longer ago than that is forgotten.
  void expire(base::Time now, std::chrono::seconds expiry);

  bool stated() const { return !texts_.empty() || late_; }
  bool by(Said by) const;
  bool late() const { return late_; }
  // Whether the name of a thing stands in what counts. Never for less than three letters or digits.
  bool names(std::string_view thing) const;
  // Whether a value stands there by itself, not as a part of a longer one: neither lee@shop.example
  // in ann.lee@shop.example nor 1,000 in 1,000,000. `host`: it may be a URL's.
  bool says(std::string_view value, bool host = false) const;

 private:
  struct Text {
    Said by{};
    std::string folded;  // " refund order 4711 "
    std::string lower;   // as it was said, in lower case
    base::Time at{};
  };
  std::vector<Text> texts_;
  bool late_ = false;
  base::Time late_at_{};
};

// For policies: who said what this is for, and which parts of one call it names: "tool", "server",
// "tables" and "hosts" (all of them), "input.NAME" of arguments.
struct Explained {
  bool stated = false;
  bool late = false;
  std::vector<std::string> by;
  std::vector<std::string> things;
};

}  // namespace latticegate::provenance
