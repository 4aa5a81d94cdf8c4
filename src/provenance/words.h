// Words: what of a text can be recognised when it comes back somewhere else.
//
// Two kinds. Grams are hashes of 12 letters and digits in a row, in small letters and without what
// stands between them, so that other spacing or punctuation changes nothing; of a text they are
// thinned out by winnowing (Schleimer, Wilkerson, Aiken 2003): of each 8 in a row the smallest is
// kept, so that any 19 letters and digits in a row have at least one. Values are the exact things
// that steer a call: addresses, URLs, hosts, ids, account and card numbers, amounts, paths.
//
// What is no value: words, names, dates, numbers of less than five digits.
//
// Lengths: letters and digits of ASCII, and every byte of other scripts, count; case of other
// scripts is not folded. Hashes are polynomials over them with a secret multiplier, so that nobody
// outside can make two texts collide.
//
// Posture: texts are hostile. Pure, one pass, no recursion, memory only in `out`. Fuzz target:
// fuzz/provenance_fuzz.cc.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace latticegate::provenance {

inline constexpr std::size_t gram_length = 12;
inline constexpr std::size_t gram_window = 8;

// The secret of one process; odd.
struct Key {
  std::uint64_t multiplier = 0x9E3779B97F4A7C15U;
};

// Letters and digits of a text, in small letters, appended to `out`. The escapes of JSON and
// programming languages (\n, \", \u00e9) are skipped, as they stand where the other side has the
// character or nothing.
void fold(std::string_view text, std::string& out);

// The grams of a folded text: all of them, or the winnowed ones.
void all_grams(std::string_view folded, Key key, std::vector<std::uint64_t>& out);
void winnowed_grams(std::string_view folded, Key key, std::vector<std::uint64_t>& out);

// The hash of a value with that folded text, as in Value::hash for all kinds but `number`.
std::uint64_t value_hash(std::string_view folded, Key key);
// The same for every part of `length` of a folded text, in their order.
void part_hashes(std::string_view folded, std::size_t length, Key key,
                 std::vector<std::uint64_t>& out);

enum class Kind : std::uint8_t {
  address,  // e-mail
  url,
  host,    // or the name of a file: "evil.example", "plan.pdf"
  id,      // "INV-20931", "acct_8831002", a UUID
  digits,  // in groups: a card or an account number
  number,  // 9,420.55
  path,    // of files
};
std::string_view name(Kind kind);

struct Value {
  Kind kind{};
  std::uint64_t hash = 0;
  std::uint32_t length = 0;  // folded
  std::uint32_t begin = 0;   // bytes of the text
  std::uint32_t end = 0;
};
// Values in a text in their order; a URL is followed by its host. At most `most`.
void find_values(std::string_view text, Key key, std::size_t most, std::vector<Value>& out);

}  // namespace latticegate::provenance
