#include "inspect/detail/looks.h"

#include <algorithm>
#include <array>

namespace latticegate::inspect {
namespace {

// Letters of other scripts (UTF-8) and what they look like.
struct Look {
  std::string_view bytes;
  char letter;
};
constexpr auto looks =
    std::to_array<Look>({{"\xD0\xB0", 'a'}, {"\xD0\x90", 'a'}, {"\xD0\xB2", 'b'}, {"\xD0\x92", 'b'},
                         {"\xD1\x81", 'c'}, {"\xD0\xA1", 'c'}, {"\xD0\xB5", 'e'}, {"\xD0\x95", 'e'},
                         {"\xD1\x91", 'e'}, {"\xD2\xBB", 'h'}, {"\xD0\xBD", 'h'}, {"\xD0\x9D", 'h'},
                         {"\xD1\x96", 'i'}, {"\xD0\x86", 'i'}, {"\xD1\x98", 'j'}, {"\xD0\xBA", 'k'},
                         {"\xD0\x9A", 'k'}, {"\xD0\xBC", 'm'}, {"\xD0\x9C", 'm'}, {"\xD0\xBE", 'o'},
                         {"\xD0\x9E", 'o'}, {"\xD1\x80", 'p'}, {"\xD0\xA0", 'p'}, {"\xD1\x95", 's'},
                         {"\xD0\x85", 's'}, {"\xD1\x82", 't'}, {"\xD0\xA2", 't'}, {"\xD1\x85", 'x'},
                         {"\xD0\xA5", 'x'}, {"\xD1\x83", 'y'}, {"\xD0\xA3", 'y'}, {"\xCE\xB1", 'a'},
                         {"\xCE\x91", 'a'}, {"\xCE\x92", 'b'}, {"\xCE\x95", 'e'}, {"\xCE\x97", 'h'},
                         {"\xCE\x99", 'i'}, {"\xCE\xB9", 'i'}, {"\xCE\x9A", 'k'}, {"\xCE\xBA", 'k'},
                         {"\xCE\x9C", 'm'}, {"\xCE\x9D", 'n'}, {"\xCE\xBD", 'v'}, {"\xCE\xBF", 'o'},
                         {"\xCE\x9F", 'o'}, {"\xCF\x81", 'p'}, {"\xCE\xA1", 'p'}, {"\xCE\xA4", 't'},
                         {"\xCF\x84", 't'}, {"\xCF\x85", 'u'}, {"\xCE\xA5", 'y'}, {"\xCF\x87", 'x'},
                         {"\xCE\xA7", 'x'}, {"\xC4\xB1", 'i'}, {"\xC9\xA1", 'g'}, {"\xC9\x91", 'a'},
                         {"\xC3\xA0", 'a'}, {"\xC3\xA1", 'a'}, {"\xC3\xA4", 'a'}, {"\xC3\xA9", 'e'},
                         {"\xC3\xA8", 'e'}, {"\xC3\xAD", 'i'}, {"\xC3\xB3", 'o'}, {"\xC3\xB6", 'o'},
                         {"\xC3\xBC", 'u'}});

}  // namespace

Folded fold_look(std::string_view text) {
  if (text.size() >= 3 && text[0] == '\xEF') {  // full-width forms U+FF01..FF5E
    const auto second = static_cast<unsigned char>(text[1]);
    const auto third = static_cast<unsigned char>(text[2]);
    const unsigned code = second == 0xBC && third >= 0x81   ? third - 0x81U + 0x21U
                          : second == 0xBD && third <= 0x9E ? third - 0x80U + 0x60U
                                                            : 0U;
    if (code == 0) return {};
    const char c = static_cast<char>(code);
    return {c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c, 3};
  }
  const auto* const look =
      std::ranges::find_if(looks, [&](const Look& one) { return text.starts_with(one.bytes); });
  if (look == looks.end()) return {};
  return {look->letter, look->bytes.size()};
}

}  // namespace latticegate::inspect
