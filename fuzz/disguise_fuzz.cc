// Words, disguises and numbers of persons of any bytes: places lie in the text, results are
// bounded.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inspect/descriptor_set.h"
#include "inspect/disguise.h"
#include "inspect/words.h"
#include "json/value.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latticegate;
  using namespace latticegate::inspect;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Word> words;
  for (const Reading reading : {Reading::code, Reading::prose}) {
    read_words(text, words, reading);
    std::uint32_t last = 0;
    for (const Word& word : words) {
      base::check(word.begin < word.end && word.end <= size && word.begin >= last,
                  "a word lies in the text, behind the last one");
      last = word.begin;
    }
    base::check(words.empty() || words.front().first, "the first word begins a sentence");
  }
  std::size_t bytes = 0;
  const Disclosure disclosure = disclose(text, words);
  for (const Disclosed& one : disclosure.texts) {
    base::check(one.begin <= one.end && one.end <= size, "a disguise lies in the text");
    bytes += one.text.size();
  }
  base::check(disclosure.texts.size() <= most_disclosed && bytes <= most_disclosed_bytes,
              "bounded");
  if (const auto document = json::Document::parse(text)) (void)scan_descriptors(document->root());
  return 0;
}
