#include "inspect/disguise.h"

#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "inspect/detail/looks.h"
#include "inspect/hidden_text.h"

namespace latticegate::inspect {
namespace {

constexpr std::size_t most_layers = 3;
constexpr std::size_t shortest_run = 24;  // of base64 or hexadecimal
constexpr std::size_t part = 4096, overlap = 512;

constexpr bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_high(char c) { return static_cast<unsigned char>(c) >= 0x80; }
int hex_of(char c) {
  if (is_digit(c)) return c - '0';
  const int lower = std::tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Something that people write: mostly letters and blanks, at least two words.
bool is_readable(std::string_view text) {
  if (text.size() < 8 || !base::is_utf8(text)) return false;
  const auto usual = std::ranges::count_if(text, [](char c) {
    return is_letter(c) || is_digit(c) || is_high(c) || c == ' ' || c == '\n' || c == '.' ||
           c == ',';
  });
  return static_cast<std::size_t>(usual) * 10 >= text.size() * 8 && text.contains(' ');
}
// Or another layer of the same.
bool is_run(std::string_view text) {
  return text.size() >= shortest_run && std::ranges::all_of(text, [](char c) {
           return is_letter(c) || is_digit(c) || c == '+' || c == '/' || c == '=' || c == '-' ||
                  c == '_' || c == '%';
         });
}

std::optional<std::string> from_hex(std::string_view run) {
  if (run.size() % 2 != 0) run.remove_suffix(1);
  std::string out;
  for (std::size_t at = 0; at + 1 < run.size(); at += 2) {
    const int high = hex_of(run[at]), low = hex_of(run[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}
std::optional<std::string> from_base64(std::string_view run) {
  std::string plain(run);
  std::ranges::replace(plain, '-', '+');
  std::ranges::replace(plain, '_', '/');
  while (!plain.empty() && plain.back() == '=') plain.pop_back();
  if (plain.size() % 4 == 1) plain.pop_back();
  plain.append((4 - plain.size() % 4) % 4, '=');
  return base::from_base64(plain);
}
std::string from_percent(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size() && hex_of(text[at + 1]) >= 0 &&
        hex_of(text[at + 2]) >= 0) {
      out += static_cast<char>(hex_of(text[at + 1]) * 16 + hex_of(text[at + 2]));
      at += 2;
    } else {
      out += text[at] == '+' ? ' ' : text[at];
    }
  }
  return out;
}
std::string from_references(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t end = text.substr(at, 10).find(';');
    if (text.substr(at).starts_with("&#") && end != std::string_view::npos) {
      const bool hex = at + 2 < text.size() && (text[at + 2] | 0x20) == 'x';
      std::uint32_t code = 0;
      for (const char c : text.substr(at + (hex ? 3 : 2), end - (hex ? 3 : 2)))
        code = hex_of(c) < 0 ? 0 : code * (hex ? 16 : 10) + static_cast<std::uint32_t>(hex_of(c));
      if (code >= 0x20 && code < 0x7F) {
        out += static_cast<char>(code);
        at += end;
        continue;
      }
    }
    out += text[at];
  }
  return out;
}

bool is_compressed(std::string_view text) {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  return text.starts_with("\x1F\x8B\x08") ||
         (text.size() > 6 && at(0) == 0x78 && (at(0) * 256 + at(1)) % 31 == 0);
}

// What a compressed text says, as far as it can be read; more than `most` bytes when it goes on.
std::string inflated(std::string_view packed, std::size_t most) {
  z_stream stream{};
  constexpr int gzip_or_zlib = 15 + 32;
  std::string out;
  if (inflateInit2(&stream, gzip_or_zlib) != Z_OK) return out;
  stream.next_in = reinterpret_cast<const Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  for (int done = Z_OK; done == Z_OK && out.size() <= most;) {
    constexpr std::size_t step = std::size_t{16} * 1024;
    const std::size_t had = out.size();
    out.resize(std::min(had + step, most + 1));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + had);
    stream.avail_out = static_cast<uInt>(out.size() - had);
    done = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  return out;
}

// What comes out of one message, and how much more would.
class Out {
 public:
  void add(std::string_view how, std::string text, std::size_t begin, std::size_t end) {
    if (found_.texts.size() >= most_disclosed || text.size() > room_) {
      found_.left_out += text.size();
      return;
    }
    room_ -= text.size();
    found_.texts.push_back({how, std::move(text), begin, end});
  }
  // Unpacking counts, whatever comes out: a few bytes can be made to give many.
  std::string unpack(std::string_view packed) {
    std::string out = inflated(packed, unpacked_);
    if (out.size() > unpacked_) {
      out.resize(unpacked_);
      found_.left_out += packed.size();
    }
    unpacked_ -= out.size();
    return out;
  }
  Disclosure take() { return std::move(found_); }

 private:
  Disclosure found_;
  std::size_t room_ = most_disclosed_bytes, unpacked_ = most_disclosed_bytes;
};

// Base64 and hexadecimal, which stand in a text, wherever they do.
class Runs {
 public:
  Runs(std::string_view text, Out& out) : text_(text), out_(out) {}

  void find(std::span<const Word> words) {
    for (const Word& word : words)
      if (word.end - word.begin >= shortest_run / 2 && word.begin >= done_) around(word);
  }

 private:
  void around(const Word& word) {
    const auto belongs = [](char c) {
      return is_letter(c) || is_digit(c) || c == '+' || c == '/' || c == '=' || c == '-' ||
             c == '_';
    };
    std::size_t begin = word.begin, end = word.end;
    while (begin > done_ && belongs(text_[begin - 1])) --begin;
    while (end < text_.size() && end < begin + most_disclosed_bytes && belongs(text_[end])) ++end;
    done_ = end;
    std::string_view run = text_.substr(begin, end - begin);
    if (run.size() < shortest_run) return;
    std::string inner;
    for (std::size_t layer = 0; layer < most_layers; ++layer) {
      std::string_view how = "hex";
      std::optional<std::string> plain = from_hex(run);
      const auto leads_on = [](const std::string& text) {
        return is_readable(text) || is_run(text) || is_compressed(text);
      };
      if (!plain || !leads_on(*plain)) {
        how = "base64";
        plain = from_base64(run);
      }
      if (!plain) return;
      if (is_compressed(*plain)) {
        how = "compressed";
        plain = out_.unpack(*plain);
      }
      if (plain->contains('%')) *plain = from_percent(*plain);
      if (is_readable(*plain)) {
        out_.add(how, *std::move(plain), begin, end);
        return;
      }
      if (!is_run(*plain)) return;
      inner = *std::move(plain);
      run = inner;
    }
  }

  std::string_view text_;
  Out& out_;
  std::size_t done_ = 0;
};

// What the first character of a word is; a sign is worth looking at what stands behind.
enum Opening : std::uint8_t { by_letter = 1, by_digit = 2, by_sign = 4 };
constexpr std::array<std::uint8_t, 256> openings = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 0; c < table.size(); ++c) {
    const auto byte = static_cast<char>(c);
    table[c] = is_letter(byte) ? by_letter : is_digit(byte) ? by_digit : 0;
    if (std::string_view("%&aAbBrR").contains(byte)) table[c] |= by_sign;
  }
  return table;
}();

// What is disguised as a whole: a part of a text that is short enough for its shares of words to
// say something, and whose words begin at `offset` of the text.
class Part {
 public:
  Part(std::string_view text, std::span<const Word> words, std::size_t offset, bool plain, Out& out)
      : text_(text), words_(words), offset_(offset), plain_(plain), out_(out) {}

  void find() {
    std::size_t mixed = 0, single = 0, grammar = 0, percents = 0, references = 0, lettered = 0;
    bool backwards = false, spells = false;
    for (const Word& word : words_) {
      const std::size_t begin = word.begin - offset_, size = word.end - word.begin;
      const char c = text_[begin];
      const unsigned opening = openings[static_cast<unsigned char>(c)];
      const std::size_t letter = opening & by_letter;
      lettered += (opening & (by_letter | by_digit)) != 0;
      grammar += word.shape == word.hash ? letter : 0;
      single += size == 1 ? letter : 0;
      if (word.data && size < 16 && std::ranges::any_of(text_.substr(begin, size), is_letter))
        ++mixed;
      if ((opening & by_sign) == 0) continue;
      const std::string_view token = text_.substr(begin, size);
      if (c == '%') ++percents;
      if (c == '&' && begin + size < text_.size() && text_[begin + size] == '#') ++references;
      if ((c | 0x20) == 'a' && size == 2 && begin > 0) spells = spells || is_opening(begin);
      if ((c | 0x20) == 'b' || (c | 0x20) == 'r') backwards = backwards || says_backwards(token);
    }
    if (percents >= 3) whole("percent", from_percent(text_));
    if (references >= 3) whole("references", from_references(text_));
    letters();
    if (lettered >= 4 && mixed * 5 >= lettered * 2 && percents < 3) sensible("leet", leet(), 1);
    if (single >= 10 && single * 5 >= lettered * 3) whole("spaced", spaced());
    if (lettered >= 6 && grammar * 12 < lettered && mixed * 4 < lettered) rotated();
    if (spells) spelled();
    if (backwards) whole("reversed", std::string(text_.rbegin(), text_.rend()));
  }

 private:
  void whole(std::string_view how, std::string text) {
    if (text != text_) out_.add(how, std::move(text), offset_, offset_ + text_.size());
  }

  // Letters of other scripts inside of words that have Latin ones, full-width forms, and what is
  // hidden between them.
  void letters() {
    if (plain_ || is_plain_ascii(text_)) return;
    const std::string shown = strip_hidden(text_);
    std::string out;
    for (std::size_t at = 0; at < shown.size();) {
      const auto in_word = [](char c) { return is_letter(c) || is_high(c); };
      if (!in_word(shown[at])) {
        out += shown[at++];
        continue;
      }
      std::size_t end = at;
      bool latin = false, wide = false;
      while (end < shown.size() && in_word(shown[end])) {
        latin = latin || is_letter(shown[end]);
        wide = wide || std::string_view(shown).substr(end).starts_with("\xEF\xBC") ||
               std::string_view(shown).substr(end).starts_with("\xEF\xBD");
        ++end;
      }
      while (at < end) {
        const Folded folded =
            latin || wide ? fold_look(std::string_view(shown).substr(at)) : Folded{};
        if (folded.bytes > 0) {
          out += folded.letter;
          at += folded.bytes;
        } else {
          out += shown[at++];
        }
      }
    }
    whole("letters", std::move(out));
  }

  std::string leet() const {
    std::string out(text_);
    constexpr std::string_view from = "0134578@$", to = "oieastbas";
    for (std::size_t at = 0; at < out.size(); ++at) {
      const std::size_t known = from.find(out[at]);
      if (known == std::string_view::npos) continue;
      const bool beside =
          (at > 0 && is_letter(out[at - 1])) ||
          (at + 1 < out.size() &&
           (is_letter(out[at + 1]) || from.find(out[at + 1]) != std::string_view::npos));
      if (beside) out[at] = to[known];
    }
    return out;
  }

  // A bracket stands before it, or before a blank.
  bool is_opening(std::size_t at) const {
    if (text_[at - 1] == ' ' && at > 1) --at;
    return std::string_view("([{").contains(text_[at - 1]);
  }

  static bool says_backwards(std::string_view word) {
    const auto begins = [&](std::string_view with) {
      return word.size() >= with.size() &&
             std::ranges::equal(word.substr(0, with.size()), with,
                                [](char a, char b) { return (a | 0x20) == b; });
    };
    return begins("backward") || begins("reversed");
  }

  // "ann (at) there (dot) example": what stands around the sign, without blanks.
  void spelled() {
    constexpr std::string_view signs = "([{";
    std::string out;
    std::size_t replaced = 0, from = 0;
    for (std::size_t at = 0; (at = text_.find_first_of(signs, at)) != std::string_view::npos;
         ++at) {
      std::size_t inside = at + 1;
      while (inside < text_.size() && text_[inside] == ' ') ++inside;
      const std::string_view rest = text_.substr(inside, 4);
      const auto is = [&](std::string_view word) {
        return rest.size() > word.size() &&
               std::ranges::equal(rest.substr(0, word.size()), word,
                                  [](char a, char b) { return (a | 0x20) == b; });
      };
      const std::size_t word = is("at") ? 2 : is("dot") ? 3 : 0;
      std::size_t end = inside + word;
      while (end < text_.size() && text_[end] == ' ') ++end;
      if (word == 0 || end >= text_.size() || !std::string_view(")]}").contains(text_[end]))
        continue;
      std::string_view before = text_.substr(from, at - from);
      while (before.ends_with(' ')) before.remove_suffix(1);
      out += before;
      out += word == 2 ? '@' : '.';
      from = end + 1;
      while (from < text_.size() && text_[from] == ' ') ++from;
      ++replaced;
      if (from > at) at = from - 1;
    }
    if (replaced >= 2) whole("spelled", out.append(text_.substr(from)));
  }

  // "i g n o r e   a l l": a single blank joins, more separate.
  std::string spaced() const {
    std::string out;
    for (std::size_t at = 0; at < text_.size(); ++at) {
      // Between two single characters only: "write to a @ b" begins with words.
      const bool joins = text_[at] == ' ' && at > 0 && text_[at - 1] != ' ' &&
                         (at < 2 || text_[at - 2] == ' ' || text_[at - 2] == '\n') &&
                         at + 1 < text_.size() && text_[at + 1] != ' ' &&
                         (at + 2 >= text_.size() || text_[at + 2] == ' ' || text_[at + 2] == '\n' ||
                          is_high(text_[at + 1]));
      const bool again = text_[at] == ' ' && out.ends_with(' ');
      if (!joins && !again) out += text_[at];
    }
    return out;
  }

  void rotated() {
    constexpr std::size_t more = 2;
    // Without escapes, whose letters tell what they are, the words of both are at the same places.
    if (!text_.contains('\\') &&
        grammar_in_rot13(text_.substr(words_.front().begin - offset_), words_) <= known() + more)
      return;
    std::string out(text_);
    for (char& c : out)
      if (is_letter(c)) {
        const char base = c >= 'a' ? 'a' : 'A';
        c = static_cast<char>(base + (c - base + 13) % 26);
      }
    sensible("rot13", std::move(out), more);
  }

  // Only if more words of grammar come out than were there.
  void sensible(std::string_view how, std::string out, std::size_t more) {
    std::vector<Word> words;
    read_words(out, words);
    if (known(words, out, 0) > known() + more) whole(how, std::move(out));
  }
  static std::size_t known(std::span<const Word> words, std::string_view text, std::size_t offset) {
    return static_cast<std::size_t>(std::ranges::count_if(words, [&](const Word& word) {
      return word.shape == word.hash && word.end - word.begin > 1 &&
             is_letter(text[word.begin - offset]);
    }));
  }
  std::size_t known() const { return known(words_, text_, offset_); }

  std::string_view text_;
  std::span<const Word> words_;
  std::size_t offset_;
  bool plain_;
  Out& out_;
};

}  // namespace

Disclosure disclose(std::string_view text, std::span<const Word> words, bool plain) {
  Out out;
  Runs(text, out).find(words);
  for (std::size_t first = 0; first < words.size();) {
    // To the last word that begins within the part; a part begins before the last one ended.
    const std::size_t begin = first == 0 ? 0 : words[first].begin;
    const auto from = [&](std::size_t byte) {  // the first word behind this one that begins there
      const auto rest = words.subspan(first + 1);
      if (rest.empty() || rest.back().begin < byte) return words.size();
      const auto found = std::ranges::lower_bound(rest, byte, {}, &Word::begin);
      return first + 1 + static_cast<std::size_t>(found - rest.begin());
    };
    const std::size_t last = from(begin + part) - 1, next = from(begin + part - overlap);
    const bool ends = last + 1 == words.size();
    const std::size_t end = ends ? text.size() : words[last].end;
    Part(text.substr(begin, end - begin), words.subspan(first, last + 1 - first), begin, plain, out)
        .find();
    if (ends) break;
    first = next;
  }
  return out.take();
}

}  // namespace latticegate::inspect
