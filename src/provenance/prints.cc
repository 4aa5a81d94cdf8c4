#include "provenance/prints.h"

#include <bit>
#include <utility>

namespace latticegate::provenance {
namespace {

constexpr std::size_t first_sets = 16;

}  // namespace

Print* Prints::find(std::uint64_t hash, std::uint32_t oldest) {
  if (sets_.empty()) return nullptr;
  for (Print& print : set_of(hash))
    if (print.hash == hash && print.places != 0) return print.when >= oldest ? &print : nullptr;
  return nullptr;
}

Print& Prints::put(std::uint64_t hash, std::uint32_t now, std::uint32_t oldest, bool of_untrusted) {
  if (Print* const found = find(hash, oldest)) return *found;
  if (used_ * 2 >= sets_.size() * ways && sets_.size() * ways < std::bit_ceil(most_)) grow(oldest);
  Print& print = room(hash, oldest, of_untrusted);
  print = {.hash = hash, .when = now};
  return print;
}

// An empty place, an expired one, or the oldest of the half.
Print& Prints::room(std::uint64_t hash, std::uint32_t oldest, bool of_untrusted) {
  Set& set = set_of(hash);
  std::size_t of_kind = 0;
  Print* kind_oldest = nullptr;
  Print* other_oldest = nullptr;
  for (Print& print : set) {
    if (print.hash == hash && print.places != 0) return print;  // expired
    if (print.places == 0) {
      ++used_;
      return print;
    }
  }
  for (Print& print : set) {
    if (print.when < oldest) return print;
    const bool same = only_untrusted(print) == of_untrusted;
    of_kind += same ? 1 : 0;
    Print*& candidate = same ? kind_oldest : other_oldest;
    if (candidate == nullptr || print.when < candidate->when) candidate = &print;
  }
  lost_ = true;
  return of_kind >= ways / 2 || other_oldest == nullptr ? *kind_oldest : *other_oldest;
}

void Prints::grow(std::uint32_t oldest) {
  std::vector<Set> before = std::exchange(sets_, {});
  sets_.resize(before.empty() ? first_sets : before.size() * 2);
  used_ = 0;
  for (const Set& set : before)
    for (const Print& print : set)
      if (print.places != 0 && print.when >= oldest)
        room(print.hash, oldest, only_untrusted(print)) = print;
}

}  // namespace latticegate::provenance
