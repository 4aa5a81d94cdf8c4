#include "inspect/words.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

namespace latticegate::inspect {
namespace {

enum Class : std::uint8_t { other, blank, lower, upper, digit, high, mark, quote, bracket, escape };

constexpr std::array<Class, 256> classes = [] {
  std::array<Class, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) {
    if (c >= 0x80)
      table[c] = high;
    else if (c >= 'a' && c <= 'z')
      table[c] = lower;
    else if (c >= 'A' && c <= 'Z')
      table[c] = upper;
    else if (c >= '0' && c <= '9')
      table[c] = digit;
    else if (c <= ' ' || c == 0x7F)
      table[c] = blank;
    else
      table[c] = mark;
  }
  table['"'] = table['\''] = table['`'] = quote;
  table['{'] = table['}'] = table['['] = table[']'] = bracket;
  table['\\'] = escape;
  return table;
}();

constexpr Class class_of(char c) { return classes[static_cast<unsigned char>(c)]; }

// What ends a word whatever comes behind it.
constexpr std::array<bool, 256> ends = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < 256; ++c)
    table[c] = classes[c] != lower && classes[c] != upper && classes[c] != digit;
  for (const char c : {'_', '\'', ':', '@', '.'}) table[static_cast<unsigned char>(c)] = false;
  return table;
}();

// Eight bytes of a text as one number, the first of them the lowest.
constexpr std::uint64_t each = 0x0101010101010101ULL, tops = 0x80 * each;
std::uint64_t eight_at(std::string_view text, std::size_t at) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t eight = 0;
  std::memcpy(&eight, text.data() + at, sizeof eight);
  return eight;
}
// How many of the eight are small letters, before the first that is none.
std::size_t lower_in(std::uint64_t eight) {
  const std::uint64_t low = eight & ~tops;
  const std::uint64_t from_a = low + (0x80 - 'a') * each;  // the top bit: 'a' or above
  const std::uint64_t above_z = low + (0x7F - 'z') * each;
  const std::uint64_t others = ~(from_a & ~above_z & ~eight) & tops;
  return static_cast<std::size_t>(std::countr_zero(others)) / 8;
}

// Rotations are quick in a row; one multiplication at the end spreads what they gathered.
class Hash {
 public:
  constexpr void add(unsigned char byte) { state_ = std::rotl(state_, 7) ^ byte; }
  // The first `count` of eight bytes, at least one, all below 0x80: each takes the 7 bits that one
  // rotation makes free, so that they are joined before one rotation for all.
  void add(std::uint64_t eight, std::size_t count) {
    std::uint64_t row = std::byteswap(eight) >> (64 - 8 * count);
    row = (row & 0x007F007F007F007FULL) | (row & 0x7F007F007F007F00ULL) >> 1;
    row = (row & 0x00003FFF00003FFFULL) | (row & 0x3FFF00003FFF0000ULL) >> 2;
    row = (row & 0x000000000FFFFFFFULL) | (row & 0x0FFFFFFF00000000ULL) >> 4;
    state_ = std::rotl(state_, static_cast<int>(7 * count)) ^ row;
  }
  constexpr std::uint32_t value() const {
    return static_cast<std::uint32_t>((state_ * 0x9E3779B97F4A7C15ULL) >> 32);
  }

 private:
  std::uint64_t state_ = 0x811C9DC5U;
};
constexpr std::uint32_t hash_of(std::string_view word) {
  Hash hash;
  for (const char c : word) hash.add(static_cast<unsigned char>(c));
  return hash.value();
}

constexpr std::array<std::uint32_t, 256> mark_hashes = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) {
    Hash hash;
    hash.add(1);
    hash.add(static_cast<unsigned char>(c));
    table[c] = hash.value();
  }
  return table;
}();

// The words whose shape is themselves.
constexpr std::string_view grammar =
    "a an the this that these those it its he she they them their his her i me my mine we us our "
    "you your yours yourself "
    "who whom whose which what when where why how here there and or but nor so yet if then else "
    "unless until while "
    "because since although though before after during as than like of in on at by for from to "
    "into onto with without "
    "within about above below over under between through across against upon via per out off up "
    "down not no never "
    "none nothing nobody neither any all every each some more most less least other another same "
    "such only also just "
    "even still again already now once always often ever immediately first second next last "
    "finally later soon today "
    "is am are was were be been being do does did done doing have has had having can could may "
    "might must shall should "
    "will would need needs needed want wants wanted let lets make makes made get gets got give "
    "gives given go goes "
    "take put use uses used using call calls called calling run runs running send sends sent read "
    "reads write writes "
    "written say says said tell tells told ask asks asked answer answers reply respond response "
    "responses output "
    "print include add append insert show display return returns repeat translate summarize "
    "summarise rewrite replace "
    "change modify update set create delete remove open fetch find search list provide explain "
    "describe generate "
    "convert execute perform complete follow followed following ensure remember forget forgot "
    "ignore ignored ignoring "
    "disregard skip stop start begin continue proceed pretend act imagine assume consider treat "
    "obey comply bypass "
    "override overrides overridden disable enable reveal mention inform disclose hide confirm "
    "verify check forward "
    "share post upload download transfer pay buy order book cancel schedule grant allow approve "
    "unlock sign submit "
    "save copy move log report notify contact visit click please kindly thanks thank sorry hi "
    "hello hey dear regards "
    "best sincerely cheers team all important urgent critical mandatory required essential "
    "necessary attention note "
    "notice warning caution reminder priority instruction instructions prompt prompts system "
    "assistant user users "
    "model models ai agent agents chatbot bot llm language developer admin administrator operator "
    "human humans tool "
    "tools function functions task tasks request requests question questions message messages "
    "command commands rule "
    "rules policy policies guideline guidelines previous prior earlier original initial new "
    "above-mentioned actual "
    "real true instead rather however therefore thus otherwise besides additionally furthermore "
    "moreover also before "
    "conversation context session memory history secret secrets password passwords token tokens "
    "credential "
    "credentials key keys account data information content file files email mail mode role "
    "restrictions restriction "
    "safety security end begin hidden internal private confidential everything anything something "
    "someone anyone "
    "everyone yes ok okay sure using based result results text code word words sentence letter "
    "paragraph language "
    "english mustn dont cannot cant wont shouldnt doesnt youre im ill ive lets";

// Open addressing over the hashes; 2048 slots for some 450 words.
constexpr std::size_t slots = 2048;
constexpr std::uint32_t slot_of(std::uint32_t hash) { return (hash * 0x9E3779B1U) >> 21; }
constexpr std::array<std::uint32_t, slots> known = [] {
  std::array<std::uint32_t, slots> table{};
  std::string_view rest = grammar;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size() < rest.size() ? word.size() + 1 : rest.size());
    if (word.empty()) continue;
    std::uint32_t at = slot_of(hash_of(word));
    while (table[at] != 0 && table[at] != hash_of(word)) at = (at + 1) % slots;
    table[at] = hash_of(word);
  }
  return table;
}();
bool is_grammar(std::uint32_t hash) {
  for (std::uint32_t at = slot_of(hash); known[at] != 0; at = (at + 1) % slots)
    if (known[at] == hash) return true;
  return false;
}

// Shapes of other words; small numbers, which no hash of a word is likely to be.
enum Shape : std::uint32_t {
  shape_lower = 1,
  shape_name,   // Capital first
  shape_shout,  // CAPITALS
  shape_number,
  shape_mixed,     // letters and digits
  shape_compound,  // a_b, aB
  shape_url,
  shape_mail,
  shape_path,
  shape_foreign,
};

class Reader {
 public:
  Reader(std::string_view text, std::vector<Word>& words, Reading reading)
      : text_(text), words_(words), code_(reading == Reading::code) {}

  void read() {
    while (at_ < text_.size()) {
      const Class kind = class_of(text_[at_]);
      if (kind == lower || kind == upper) {
        if (!plain_word()) word();
        continue;
      }
      if (kind == blank) {
        white();
        continue;
      }
      switch (kind) {
        case blank:
        case lower:
        case upper: break;
        case digit:
          if (!plain_number()) word();
          break;
        case high: foreign(); break;
        case escape: code_ ? punctuation() : escaped(); break;
        case quote: code_ ? punctuation() : quoted(); break;
        case bracket:
          if (code_)
            punctuation();
          else
            ++at_;
          break;
        case mark: punctuation(); break;
        case other: ++at_; break;
      }
    }
  }

 private:
  char peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void put(std::uint32_t hash, std::uint32_t shape, std::size_t begin, bool data = false) {
    put(hash, shape, begin, at_, data);
  }
  void put(std::uint32_t hash, std::uint32_t shape, std::size_t begin, std::size_t end, bool data) {
    const bool first = left_ == 0;
    words_.push_back({hash, shape, static_cast<std::uint32_t>(begin),
                      static_cast<std::uint32_t>(end), first, data});
    left_ = (first ? longest_sentence : left_) - 1;
  }

  // Letters only, all of them small but the first, and what cannot belong to them behind: most
  // words of most texts. Whatever else it is, or a word near the end of the text, is left to
  // word(), which says the same of these.
  bool plain_word() {
    const std::string_view text = text_;
    const std::size_t begin = at_;
    std::size_t at = begin;
    const bool capital = class_of(text[at]) == upper;
    std::uint64_t small = capital ? 0x20 : 0;  // makes the first letter a small one
    Hash hash;
    std::size_t count = 8;
    while (count == 8) {
      if (text.size() - at < 8) return false;
      const std::uint64_t eight = eight_at(text, at) | std::exchange(small, 0);
      count = lower_in(eight);
      if (count > 0) hash.add(eight, count);
      at += count;
    }
    if (!ends[static_cast<unsigned char>(text[at])]) return false;
    at_ = at;
    const std::uint32_t value = hash.value();
    put(value, is_grammar(value) ? value : capital ? shape_name : shape_lower, begin, at, false);
    return true;
  }

  // Digits, and what joins them to more digits; the same for numbers.
  bool plain_number() {
    const std::string_view text = text_;
    const std::size_t begin = at_;
    const auto digits_from = [text](std::size_t at) {
      while (at < text.size() && class_of(text[at]) == digit) ++at;
      return at;
    };
    std::size_t at = digits_from(begin);
    if (at < text.size()) {
      const Class kind = class_of(text[at]);
      if (kind == lower || kind == upper || text[at] == '@') return false;
      // 1,290.50 and 2026-12-01 are one number.
      while (at + 1 < text.size() && class_of(text[at + 1]) == digit &&
             (text[at] == ',' || text[at] == '.' || text[at] == ':' || text[at] == '-'))
        at = digits_from(at + 1);
    }
    at_ = at;
    put(shape_number, shape_number, begin, at, true);
    return true;
  }

  void word() {
    const std::size_t begin = at_;
    Hash hash;
    std::size_t letters = 0, capitals = 0, digits = 0;
    bool joined = false, number = false;
    const bool capital = class_of(text_[at_]) == upper;
    // Locals, which stay in registers.
    const std::string_view text = text_;
    std::size_t at = at_;
    while (at < text.size()) {
      const char c = text[at];
      const Class kind = class_of(c);
      if (kind == lower) {
        const std::size_t from = at;
        do hash.add(static_cast<unsigned char>(text[at]));
        while (++at < text.size() && class_of(text[at]) == lower);
        letters += at - from;
        number = false;
        continue;
      }
      if (kind == upper) {
        ++capitals;
        joined = joined || (letters > 0 && capitals < letters);
        ++letters;
        number = false;
        hash.add(static_cast<unsigned char>(c + 32));
      } else if (kind == digit) {
        ++digits;
        if (!number) hash.add('0');
        number = true;
      } else if (c == '_' && letters > 0) {
        joined = true;
        hash.add('_');
      } else if (c != '\'' || letters == 0 || at + 1 >= text.size() ||
                 class_of(text[at + 1]) != lower) {
        break;
      }
      ++at;
    }
    at_ = at;
    if (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ':' && peek(1) == '/' && peek(2) == '/' && letters > 0) {
        until_blank();
        put(shape_url, shape_url, begin);
        return;
      }
      if (c == '@' && (class_of(peek(1)) == lower || class_of(peek(1)) == upper)) {
        address();
        put(shape_mail, shape_mail, begin, true);
        return;
      }
      if (c == '.' && letters > 0 && mail_follows()) {
        put(shape_mail, shape_mail, begin, true);
        return;
      }
    }
    if (letters == 0) {  // and a sign behind that nobody's address goes on from
      put(shape_number, shape_number, begin, true);
      return;
    }
    const std::uint32_t value = hash.value();
    std::uint32_t shape = value;
    if (!is_grammar(value)) {
      if (joined)
        shape = shape_compound;
      else if (digits > 0)
        shape = shape_mixed;
      else if (capitals == letters && letters > 1)
        shape = shape_shout;
      else
        shape = capital ? shape_name : shape_lower;
    }
    put(value, shape, begin, digits > 0);
  }

  // first.last@host: the reader stands on a dot behind a word.
  bool mail_follows() {
    std::size_t ahead = at_;
    const std::size_t limit = at_ + 48;
    while (ahead < text_.size() && ahead < limit) {
      const Class kind = class_of(text_[ahead]);
      if (text_[ahead] == '@') {
        at_ = ahead;
        address();
        return true;
      }
      if (kind != lower && kind != upper && kind != digit && text_[ahead] != '.' &&
          text_[ahead] != '_' && text_[ahead] != '-')
        return false;
      ++ahead;
    }
    return false;
  }
  void address() {
    for (++at_; at_ < text_.size(); ++at_) {
      const Class kind = class_of(text_[at_]);
      if (kind == lower || kind == upper || kind == digit || text_[at_] == '-') continue;
      if (text_[at_] == '.' && class_of(peek(1)) != blank && class_of(peek(1)) != other &&
          (class_of(peek(1)) == lower || class_of(peek(1)) == upper || class_of(peek(1)) == digit))
        continue;
      return;
    }
  }
  void until_blank() {
    while (at_ < text_.size()) {
      const Class kind = class_of(text_[at_]);
      const char c = text_[at_];
      if (kind == blank || kind == quote || kind == escape || c == '<' || c == '>' || c == ')')
        return;
      ++at_;
    }
  }

  void foreign() {
    const std::size_t begin = at_;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(peek(i)); };
    if (byte(0) == 0xE2 && byte(1) == 0x80) {  // typographic marks; an apostrophe joins
      at_ += 3;
      return;
    }
    if (byte(0) == 0xC2 && (byte(1) == 0xA0 || byte(1) < 0x80)) {
      at_ += 2;
      return;
    }
    Hash hash;
    if (byte(0) >= 0xE3 && byte(0) <= 0xE9) {  // scripts without blanks: a character is a word
      if (byte(0) == 0xE3 && byte(1) == 0x80 && byte(2) <= 0x82) {
        at_ += 3;
        sentence();
        return;
      }
      for (int i = 0; i < 3 && at_ < text_.size(); ++i, ++at_)
        hash.add(static_cast<unsigned char>(text_[at_]));
      put(hash.value(), shape_foreign, begin);
      return;
    }
    for (; at_ < text_.size() && at_ < begin + 24; ++at_) {
      const Class kind = class_of(text_[at_]);
      if (kind != high && kind != lower && kind != upper && kind != digit) break;
      if (byte(0) == 0xE2 && byte(1) == 0x80) break;
      hash.add(static_cast<unsigned char>(kind == upper ? text_[at_] + 32 : text_[at_]));
    }
    put(hash.value(), shape_foreign, begin);
  }

  // A line that goes on in lower case is the same sentence.
  void white() {
    const std::string_view text = text_;
    std::size_t at = at_, feeds = 0;
    do feeds += text[at] == '\n';
    while (++at < text.size() && class_of(text[at]) == blank);
    at_ = at;
    if (feeds > 1 || (feeds == 1 && class_of(peek(0)) != lower)) sentence();
  }

  // \n, \", \\\\n, \u0041 as they stand inside JSON strings.
  void escaped() {
    while (peek(0) == '\\') ++at_;
    switch (peek(0)) {
      case 'n':
      case 'r':
        ++at_;
        if (class_of(peek(0)) != lower) sentence();
        return;
      case 't': ++at_; return;
      case 'u': code_points(); return;
      default: return;
    }
  }
  void code_points() {
    const std::size_t begin = at_;
    Hash hash;
    bool any = false;
    while (peek(0) == 'u' && at_ + 4 < text_.size()) {
      std::uint32_t code = 0;
      for (std::size_t i = 1; i <= 4; ++i) {
        const char c = peek(i);
        const std::uint32_t value =
            c >= '0' && c <= '9'   ? static_cast<std::uint32_t>(c - '0')
            : c >= 'a' && c <= 'f' ? static_cast<std::uint32_t>(c - 'a') + 10
            : c >= 'A' && c <= 'F' ? static_cast<std::uint32_t>(c - 'A') + 10
                                   : 0xFFFFU;
        code = value > 15 ? 0xFFFFFFU : code * 16 + value;
      }
      if (code > 0xFFFF) break;
      at_ += 5;
      if (code < 0xC0 || (code >= 0x2000 && code < 0x2070)) {
        if (any) break;
        return;
      }
      any = true;
      if (code < 0x800) {
        hash.add(static_cast<unsigned char>(0xC0 | code >> 6));
      } else {
        hash.add(static_cast<unsigned char>(0xE0 | code >> 12));
        hash.add(static_cast<unsigned char>(0x80 | (code >> 6 & 63)));
      }
      hash.add(static_cast<unsigned char>(0x80 | (code & 63)));
      if (code >= 0x3000) break;
      if (peek(0) == '\\' && peek(1) == 'u') {
        ++at_;
        continue;
      }
      break;
    }
    if (any)
      put(hash.value(), shape_foreign, begin);
    else
      at_ = begin == at_ ? at_ + 1 : at_;
  }

  // A quote beside a comma, a colon or a bracket separates values.
  void quoted() {
    ++at_;
    std::size_t ahead = 0;
    while (peek(ahead) == ' ' && ahead < 4) ++ahead;
    const char next = peek(ahead);
    if (next == ':' || next == ',' || next == '}' || next == ']') {
      at_ += ahead + 1;
      sentence();
    }
  }

  void punctuation() {
    const std::size_t begin = at_;
    const char c = text_[at_];
    while (at_ < text_.size() && text_[at_] == c) ++at_;
    if (!code_ && (c == '<' || c == '>' || c == '#' || c == '|' || c == '=' || c == '*' ||
                   c == '-' || c == '~')) {
      if (begin == 0 || text_[begin - 1] == '\n' || c == '|') sentence();
    }
    const std::uint32_t value = mark_hashes[static_cast<unsigned char>(c)];
    put(value, value, begin);
    if (!code_ && (c == '.' || c == '!' || c == '?')) {
      const Class next = class_of(peek(0));
      if (at_ >= text_.size() || next == blank || next == quote || next == escape ||
          text_[at_] == '<' || text_[at_] == ')')
        sentence();
    }
  }
  void sentence() { left_ = 0; }

  std::string_view text_;
  std::vector<Word>& words_;
  bool code_;
  std::size_t at_ = 0;
  std::uint32_t left_ = 0;  // words that the sentence may still have; 0: the next one begins one
};

}  // namespace

std::size_t grammar_in_rot13(std::string_view text, std::span<const Word> words) {
  std::size_t count = 0;
  for (const Word& word : words) {
    const std::string_view token =
        text.substr(word.begin - words.front().begin, word.end - word.begin);
    const Class first = class_of(token.front());
    if (token.size() < 2 || (first != lower && first != upper)) continue;
    if (word.shape == shape_url || word.shape == shape_mail) {
      ++count;
      continue;
    }
    Hash hash;
    bool number = false;
    for (const char c : token) {
      const Class kind = class_of(c);
      if (kind == lower || kind == upper) {
        const int letter = (c | 0x20) - 'a';
        hash.add(static_cast<unsigned char>('a' + letter + (letter < 13 ? 13 : -13)));
      } else if (kind == digit && !number) {
        hash.add('0');
      } else if (c == '_') {
        hash.add('_');
      }
      number = kind == digit;
    }
    if (is_grammar(hash.value())) ++count;
  }
  return count;
}

void read_words(std::string_view text, std::vector<Word>& words, Reading reading) {
  words.clear();
  if (text.size() > 0xFFFFFFFFU) return;
  Reader(text, words, reading).read();
}

}  // namespace latticegate::inspect
