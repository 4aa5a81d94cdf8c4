#include "provenance/prints.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

namespace latticegate::provenance {
namespace {

constexpr std::size_t first_sets = 16;
constexpr std::size_t packed_size = 15;

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

std::string Prints::packed(std::uint32_t oldest, std::size_t most) const {
  std::vector<Print> all;
  each(oldest, [&](const Print& print) { all.push_back(print); });
  if (all.size() > most) {
    std::ranges::nth_element(all, all.begin() + static_cast<std::ptrdiff_t>(most), std::greater(),
                             &Print::when);
    all.resize(most);
  }
  std::string out;
  out.reserve(all.size() * packed_size);
  const auto put = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  };
  for (const Print& print : all) {
    put(print.hash, 8);
    put(print.when, 4);
    put(print.places, 1);
    put(print.untrusted, 1);
    put(print.sensitive, 1);
  }
  return out;
}

base::Result<void> Prints::unpack(std::string_view packed) {
  if (packed.size() % packed_size != 0)
    return base::fail(base::Code::malformed, "fingerprints end in the middle of one");
  for (; !packed.empty(); packed.remove_prefix(packed_size)) {
    std::size_t at = 0;
    const auto take = [&](int bytes) {
      std::uint64_t value = 0;
      for (int i = 0; i < bytes; ++i)
        value |= std::uint64_t{static_cast<unsigned char>(packed[at++])} << (8 * i);
      return value;
    };
    Print read;
    read.hash = take(8);
    read.when = static_cast<std::uint32_t>(take(4));
    read.places = static_cast<std::uint8_t>(take(1));
    read.untrusted = static_cast<std::uint8_t>(take(1));
    read.sensitive = static_cast<std::uint8_t>(take(1));
    if (read.places != 0) put(read.hash, read.when, 0, only_untrusted(read)) = read;
  }
  return {};
}

}  // namespace latticegate::provenance
