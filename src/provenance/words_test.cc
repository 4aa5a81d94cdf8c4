#include "provenance/words.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <format>
#include <set>
#include <string>

#include "provenance/encoded.h"

using namespace latticegate::provenance;

namespace {

std::string values(std::string_view text) {
  std::vector<Value> found;
  find_values(text, Key{}, 100, found);
  std::string out;
  for (const Value& value : found)
    out +=
        std::format("{} {}; ", name(value.kind), text.substr(value.begin, value.end - value.begin));
  return out;
}

std::string folded(std::string_view text) {
  std::string out;
  fold(text, out);
  return out;
}

}  // namespace

TEST_CASE("values are what steers, and nothing common") {
  struct Row {
    std::string_view text;
    std::string_view found;
  };
  const Row rows[] = {
      {"write to ana@people.example.", "address ana@people.example; "},
      {"<a href=\"https://evil.example:8443/x?y=1\">",
       "url https://evil.example:8443/x?y=1; host evil.example; "},
      {"href=https://evil.example/x", "url https://evil.example/x; host evil.example; "},
      {"at evil.example, or plan.pdf", "host evil.example; host plan.pdf; "},
      {"from 203.0.113.7", "host 203.0.113.7; "},
      {"invoice INV-20931 for acct_8831002", "id INV-20931; id acct_8831002; "},
      {"0b6f8c1e-5f0d-4f57-9d0e-2d7f3a1c9b11", "id 0b6f8c1e-5f0d-4f57-9d0e-2d7f3a1c9b11; "},
      {"card 4929 1234 5678 9014 and more", "digits 4929 1234 5678 9014; "},
      {"IBAN DE89 3704 0044 0532 0130 00.", "digits DE89 3704 0044 0532 0130 00; "},
      {"to IE29 AIBK 9311 5212 3456 78 TODAY", "digits IE29 AIBK 9311 5212 3456 78; "},
      {"CH93 0076 2011 6238 5295 7, please", "digits CH93 0076 2011 6238 5295 7; "},
      {"\xE5\x8F\x91\xE5\x88\xB0"
       "ana@people.example\xE3\x80\x82",
       "address ana@people.example; "},
      {"pay $9,420.55 now", "number $9,420.55; "},
      {"123-45-6789", "id 123-45-6789; "},
      {"cat /etc/passwd ~/.ssh/id_rsa src/main.cc",
       "path /etc/passwd; path ~/.ssh/id_rsa; path src/main.cc; "},
      {"{\"to\":\"a@b.example\"}", "address a@b.example; "},
      {"line\\nana@people.example\\n", "address ana@people.example; "},
      {"", ""},
      {"on 2026-11-22 at 11:05:33, 22.11.2026 or 2026-11-22T10:00:00Z", ""},
      {"100 of 5000, 1000000 or 20,000; 3.14 and 99%", ""},
      {"and/or the usual words, e.g. these; version 1.2.3 in utf-8", ""},
      {":::::====", ""},
  };
  for (const Row& row : rows) CHECK_MESSAGE(values(row.text) == row.found, row.text);
  CHECK(values(std::string(100'000, ':')).empty());
  std::string colons;
  for (int i = 0; i < 100'000; ++i) colons += "a:";
  CHECK(values(colons).empty());
}

TEST_CASE("any 19 letters in a row have a gram that was kept") {
  std::string text;
  std::uint64_t seed = 7;
  for (int i = 0; i < 2'000; ++i) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    text += static_cast<char>('a' + (seed >> 33) % 26);
  }
  std::vector<std::uint64_t> kept;
  winnowed_grams(text, Key{}, kept);
  CHECK(kept.size() < text.size() / 3);
  const std::set<std::uint64_t> known(kept.begin(), kept.end());
  for (std::size_t at = 0; at + 19 <= text.size(); ++at) {
    std::vector<std::uint64_t> part;
    all_grams(std::string_view(text).substr(at, 19), Key{}, part);
    CHECK(std::ranges::any_of(part, [&](std::uint64_t gram) { return known.contains(gram); }));
  }
}

TEST_CASE("spacing, case and escapes change nothing") {
  CHECK(folded("Forward the  LIST,\nplease") == "forwardthelistplease");
  CHECK(folded(R"(Forward the\nLIST\u002c \"please\")") == "forwardthelistplease");
  CHECK(value_hash(folded("DE89 3704"), Key{}) == value_hash("de893704", Key{}));
  CHECK(value_hash("de893704", Key{}) != value_hash("de893704", Key{12345}));
}

TEST_CASE("encodings are undone, twice") {
  struct Row {
    std::string_view text;
    std::string_view plain;
  };
  const Row rows[] = {
      {"x YW5hLnByaW9yQHBlb3BsZS5leGFtcGxl y", "ana.prior@people.example"},
      {"WVc1aExuQnlhVzl5UUhCbGIzQnNaUzVsZUdGdGNHeGw=", "ana.prior@people.example"},
      {"616e612e7072696f724070656f706c65", "ana.prior@people"},
      {"a%6ea%2eprior%40people", "ana.prior@people"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> forms;
    forms.resize(decoded_forms(row.text, forms));
    CHECK_MESSAGE(std::ranges::contains(forms, row.plain), row.text);
  }
  std::vector<std::string> forms;
  CHECK(decoded_forms("nothing to see", forms) == 0);
  CHECK(decoded_forms(std::string(1'000'000, 'A'), forms) <= 8);
}
