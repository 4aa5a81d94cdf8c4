// Personal data by validated form: numbers with check digits, mail addresses, telephone numbers.
// Names and addresses of people are not looked for: no form tells them from other words.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "inspect/finding.h"
#include "inspect/words.h"

namespace latticegate::inspect {

struct PersonalMatch {
  std::string_view rule;
  std::string_view label;  // "pci", "phi", "personal", "personal-eu"
  Severity severity{};
  Confidence confidence{};
  std::size_t begin = 0, end = 0;  // bytes of the text
};

// `words` were read from the text. At most `most` matches, in order.
std::vector<PersonalMatch> find_personal(std::string_view text, std::span<const Word> words,
                                         std::size_t most);

}  // namespace latticegate::inspect
