// Prints: which hashes were seen where, in bounded memory.
//
// A table of sets of eight entries of 16 bytes; it begins empty, doubles while it fills, and stops
// at its limit. Then a new entry takes the place of the oldest in its set. Half of a set belongs to
// what only untrusted sources said and half to everything else, so that neither can push the other
// out. A plain value; the owner locks. Time is in seconds of the owner's own clock.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latticegate::provenance {

struct Print {
  std::uint64_t hash = 0;
  std::uint32_t when = 0;      // when it was last seen
  std::uint8_t places = 0;     // where: bits of Place
  std::uint8_t untrusted = 0;  // the first source of that kind, by its place in the owner's list
  std::uint8_t sensitive = 0;  // the same
};

// Where something was seen.
enum Place : std::uint8_t {
  own = 1,        // the client said it before any untrusted source did
  trusted = 2,    // a source that is not untrusted
  untrusted = 4,  // an untrusted source
  sensitive = 8,  // a sensitive source
  open = 16,      // a source that is not sensitive
  sent = 32,      // in arguments, after it came from an untrusted or sensitive source
};

class Prints {
 public:
  // `most` entries are rounded up to a power of two.
  explicit Prints(std::size_t most) : most_(most) {}

  // What is known of a hash and was seen since `oldest`; null when nothing is.
  Print* find(std::uint64_t hash, std::uint32_t oldest);
  // The same, or a new entry with no places; `of_untrusted` says in whose half.
  Print& put(std::uint64_t hash, std::uint32_t now, std::uint32_t oldest, bool of_untrusted);
  // Something that had not expired had to make room.
  bool lost() const { return lost_; }
  // Calls `with(const Print&)` for each entry that was seen since `oldest`.
  template <class With>
  void each(std::uint32_t oldest, const With& with) const {
    for (const Set& set : sets_)
      for (const Print& print : set)
        if (print.places != 0 && print.when >= oldest) with(print);
  }
  // Entries as bytes, 15 each: the latest, at most `most` of them. And back; Code::malformed.
  std::string packed(std::uint32_t oldest, std::size_t most) const;
  [[nodiscard]] base::Result<void> unpack(std::string_view packed);
  std::size_t bytes() const { return sets_.capacity() * sizeof(Set); }

 private:
  static constexpr std::size_t ways = 8;
  using Set = std::array<Print, ways>;
  Set& set_of(std::uint64_t hash) { return sets_[hash & (sets_.size() - 1)]; }
  Print& room(std::uint64_t hash, std::uint32_t oldest, bool of_untrusted);
  void grow(std::uint32_t oldest);

  std::vector<Set> sets_;
  std::size_t most_;
  std::size_t used_ = 0;
  bool lost_ = false;
};

// Only untrusted sources said it.
inline bool only_untrusted(const Print& print) {
  return (print.places & (untrusted | own | trusted)) == untrusted;
}
// Only sensitive sources said it.
inline bool only_sensitive(const Print& print) {
  return (print.places & (sensitive | own | open)) == sensitive;
}

}  // namespace latticegate::provenance
