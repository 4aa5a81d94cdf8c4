// A small regular-expression engine that runs in time linear in the text: for JSON Schema's
// "pattern" and for the confirmation of secrets. Not a search engine for large texts (that is
// Vectorscan's work).
//
// The syntax is the part of ECMA-262 that needs no backtracking: characters, ".", classes, \d \w \s
// \b and their opposites, escapes, groups, |, greedy and lazy quantifiers, ^ and $. Refused as
// unsupported: look-around, back references, \p{..}, and patterns above the limits. Texts are
// UTF-8; the unit is the code point.
//
// Posture: pattern and text are hostile. At most `most_steps` instructions after expanding the
// quantifiers, nesting 32; a match costs at most (instructions x code points) steps. Immutable,
// shared by threads; no allocation while matching short patterns. Fuzz target:
// fuzz/pattern_fuzz.cc.
#pragma once
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latticegate::inspect {

class Pattern {
 public:
  static constexpr std::size_t most_steps = 4096;

  struct Options {
    bool ignore_case = false;  // ASCII letters only
  };

  Pattern() = default;  // matches the empty text
  // Code::malformed for a syntax error, Code::unsupported for what needs backtracking,
  // Code::too_large above the limit.
  [[nodiscard]] static base::Result<Pattern> compile(std::string_view pattern, Options options);
  [[nodiscard]] static base::Result<Pattern> compile(std::string_view pattern) {
    return compile(pattern, Options());
  }

  // The end of the longest match that begins exactly at `begin`, or nothing. `work` is a budget of
  // steps that several matches share: it is lowered by what this one took, and at 0 the match ends
  // with nothing.
  std::optional<std::size_t> match_at(std::string_view text, std::size_t begin,
                                      std::uint64_t* work = nullptr) const;
  // Whether there is a match anywhere; false when `work` ran out (it is 0 then).
  bool found_in(std::string_view text, std::uint64_t* work = nullptr) const;
  // False for a byte that no match begins with: quicker than trying.
  bool may_begin(char c) const { return first_[static_cast<unsigned char>(c)]; }
  // How many instructions it has: the cost per code point at worst.
  std::size_t steps() const { return program_.size(); }

 private:
  friend class PatternCompiler;
  enum class Op : std::uint8_t {
    accept,
    one_of,
    split,
    jump,
    text_begin,
    text_end,
    word_edge,
    no_word_edge
  };
  struct Step {
    Op op{};
    std::int32_t a = 0;  // one_of: the class; split and jump: the next step, relative to this one
    std::int32_t b = 0;  // split: the other next step
  };
  struct Range {
    char32_t first = 0, last = 0;
  };
  struct Class {
    std::array<std::uint64_t, 2> ascii{};
    std::vector<Range> ranges;  // above ASCII, sorted
    bool has(char32_t c) const;
  };
  // A pattern that is a plain row of classes with counts, where each character tells which class
  // takes it ("ghp_" and 36 letters): matched by one pass without states.
  struct Item {
    std::uint32_t set = 0;
    std::uint32_t least = 0, most = 0;
  };
  class Run;
  void find_first();
  std::vector<Step> program_;
  std::vector<Class> classes_;
  std::bitset<256> first_ = std::bitset<256>().set();
  std::vector<Item> row_;                     // empty unless the pattern is such a row
  bool row_begin_ = false, row_end_ = false;  // it has ^ in front, $ behind
  std::optional<std::size_t> match_row(std::string_view text, std::size_t begin,
                                       std::uint64_t* work) const;
};

}  // namespace latticegate::inspect
