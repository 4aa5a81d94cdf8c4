#include "provenance/words.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace latticegate::provenance {
namespace {

// What each byte counts as in a folded text; 0: nothing.
constexpr auto folded_bytes = [] {
  std::array<unsigned char, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80)
      table[c] = static_cast<unsigned char>(c);
    else if (c >= 'A' && c <= 'Z')
      table[c] = static_cast<unsigned char>(c + ('a' - 'A'));
  }
  return table;
}();

unsigned char folded_byte(char c) { return folded_bytes[static_cast<unsigned char>(c)]; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Spreads the low bits of a polynomial over all of them (the finish of MurmurHash3).
std::uint64_t mixed(std::uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCDU;
  hash ^= hash >> 33;
  hash *= 0xC4CEB9FE1A85EC53U;
  hash ^= hash >> 33;
  return hash;
}

std::uint64_t power(std::uint64_t base, std::size_t exponent) {
  std::uint64_t out = 1;
  for (; exponent > 0; exponent >>= 1, base *= base)
    if (exponent & 1) out *= base;
  return out;
}

// Calls `with` for the hash of each part of that length.
template <class With>
void roll(std::string_view folded, std::size_t length, std::uint64_t multiplier, const With& with) {
  if (length == 0 || folded.size() < length) return;
  const std::uint64_t leaving = power(multiplier, length);
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < folded.size(); ++i) {
    hash = hash * multiplier + static_cast<unsigned char>(folded[i]) + 1;
    if (i >= length)
      hash -= leaving *
              (static_cast<std::uint64_t>(static_cast<unsigned char>(folded[i - length])) + 1);
    if (i + 1 >= length) with(hash);
  }
}

constexpr std::uint64_t value_salt = 0xA5A5'0000'0000'0001U;
constexpr std::uint64_t number_salt = 0xA5A5'0000'0000'0003U;

std::uint64_t hashed(std::string_view folded, std::uint64_t multiplier) {
  std::uint64_t hash = 0;
  for (const char c : folded) hash = hash * multiplier + static_cast<unsigned char>(c) + 1;
  return hash;
}

}  // namespace

void fold(std::string_view text, std::string& out) {
  const std::size_t start = out.size();
  out.resize(start + text.size());
  char* to = out.data() + start;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      const char next = text[i + 1];
      if (next == 'u' && i + 5 < text.size())
        i += 5;
      else if (std::string_view("nrtbf\"/\\'").contains(next))
        ++i;
      continue;
    }
    const unsigned char c = folded_byte(text[i]);
    *to = static_cast<char>(c);
    to += c != 0 ? 1 : 0;
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
}

void all_grams(std::string_view folded, Key key, std::vector<std::uint64_t>& out) {
  roll(folded, gram_length, key.multiplier,
       [&](std::uint64_t hash) { out.push_back(mixed(hash)); });
}

// Robust winnowing: the smallest of each window, the last of equal ones, each place once.
void winnowed_grams(std::string_view folded, Key key, std::vector<std::uint64_t>& out) {
  std::array<std::uint64_t, gram_window> window{};
  std::size_t count = 0;     // grams seen
  std::size_t smallest = 0;  // place of the smallest of the window
  std::size_t taken = static_cast<std::size_t>(-1);
  roll(folded, gram_length, key.multiplier, [&](std::uint64_t rolled) {
    const std::uint64_t hash = mixed(rolled);
    const std::size_t place = count++;
    window[place % gram_window] = hash;
    if (place == 0 || hash <= window[smallest % gram_window]) {
      smallest = place;
    } else if (smallest + gram_window <= place) {
      smallest = place + 1 - gram_window;
      for (std::size_t i = smallest + 1; i <= place; ++i)
        if (window[i % gram_window] <= window[smallest % gram_window]) smallest = i;
    }
    if (count >= gram_window && smallest != taken) {
      out.push_back(window[smallest % gram_window]);
      taken = smallest;
    }
  });
  if (count > 0 && count < gram_window) out.push_back(window[smallest % gram_window]);
}

std::uint64_t value_hash(std::string_view folded, Key key) {
  return mixed(hashed(folded, key.multiplier) ^ value_salt);
}

void part_hashes(std::string_view folded, std::size_t length, Key key,
                 std::vector<std::uint64_t>& out) {
  roll(folded, length, key.multiplier,
       [&](std::uint64_t hash) { out.push_back(mixed(hash ^ value_salt)); });
}

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::address: return "address";
    case Kind::url: return "url";
    case Kind::host: return "host";
    case Kind::id: return "id";
    case Kind::digits: return "digits";
    case Kind::number: return "number";
    case Kind::path: return "path";
  }
  std::unreachable();
}

namespace {

// Bytes of which a value can consist; everything else ends it.
constexpr auto value_bytes = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c)
    table[c] =
        folded_bytes[c] != 0 || std::string_view("-_.@:/+%?=&#~,$").contains(static_cast<char>(c));
  table['\\'] = false;
  return table;
}();

constexpr std::array<bool, 256> only(std::string_view bytes) {
  std::array<bool, 256> table{};
  for (const char c : bytes) table[static_cast<unsigned char>(c)] = true;
  return table;
}
// Marks that no value ends or begins with.
constexpr auto ends_none = only(".,:;!?-=&"), begins_none = only(",:=&");

struct Shape {
  std::size_t letters = 0;
  std::size_t digits = 0;
  std::size_t dots = 0;
  std::size_t slashes = 0;
  std::size_t others = 0;  // - _ and the like
  bool upper_only = true;  // of the letters
};

Shape shape_of(std::string_view token) {
  Shape shape;
  for (const char c : token) {
    if (is_digit(c))
      ++shape.digits;
    else if (c == '.')
      ++shape.dots;
    else if (c == '/')
      ++shape.slashes;
    else if (folded_byte(c) == 0)
      ++shape.others;
    else {
      ++shape.letters;
      shape.upper_only = shape.upper_only && is_upper(c);
    }
  }
  return shape;
}

// 2026-11-22, 22.11.2026, 2026-11-22T10: groups of two digits, and a year.
bool looks_like_time(std::string_view token) {
  std::size_t groups = 0;
  for (std::size_t i = 0; i < token.size();) {
    std::size_t end = i;
    while (end < token.size() && is_digit(token[end])) ++end;
    if (end > i) {
      const std::string_view run = token.substr(i, end - i);
      const bool year = run.size() == 4 && (run.starts_with("19") || run.starts_with("20"));
      if (run.size() > 2 && !year) return false;
      ++groups;
      i = end;
    } else if (std::string_view("-/.TZ+").contains(token[i])) {
      ++i;
    } else {
      return false;
    }
  }
  return groups >= 3;
}

// Four numbers below 1,000.
bool looks_like_ip(std::string_view token) {
  std::size_t dots = 0;
  std::size_t run = 0;
  for (const char c : token) {
    if (c == '.' && run > 0) {
      ++dots;
      run = 0;
    } else if (!is_digit(c) || ++run > 3) {
      return false;
    }
  }
  return dots == 3 && run > 0;
}

// The significant digits of a number with a dot where it is not whole; empty for what is none.
std::string_view canonical_number(std::string_view token, std::span<char, 32> room) {
  while (!token.empty() && (token.front() == '$' || token.front() == '+' || token.front() == '-'))
    token.remove_prefix(1);
  std::size_t size = 0;
  bool dot = false;
  std::size_t leading = 0;
  for (const char c : token) {
    if (c == ',') continue;
    if (c == '.' && !dot) {
      dot = true;
    } else if (!is_digit(c)) {
      return {};
    } else if (c == '0' && size == 0 && !dot) {
      ++leading;
      continue;
    }
    if (size == room.size()) return {};
    room[size++] = c;
  }
  if (dot) {
    while (size > 0 && room[size - 1] == '0') --size;
    if (size > 0 && room[size - 1] == '.') --size;
  }
  const std::string_view out(room.data(), size);
  const bool whole = !out.contains('.');
  const std::size_t digits = out.size() - (whole ? 0 : 1);
  std::size_t significant = digits;
  if (whole)
    for (std::size_t i = out.size(); i > 0 && out[i - 1] == '0'; --i) --significant;
  // Round sums are everybody's.
  if (whole ? digits < 5 || significant < 3 : digits < 4) return {};
  return out;
}

class Finder {
 public:
  Finder(std::string_view text, Key key, std::size_t most, std::vector<Value>& out)
      : text_(text), key_(key), most_(most), out_(out) {}

  void run() {
    std::size_t at = 0;
    while (at < text_.size() && out_.size() < most_) {
      if (text_[at] == '\\' && at + 1 < text_.size()) {  // an escape inside a text of JSON
        at += text_[at + 1] == 'u' ? std::size_t{6} : std::size_t{2};
        end_group();
        continue;
      }
      if (!value_bytes[static_cast<unsigned char>(text_[at])]) {
        if (text_[at] != ' ') end_group();
        ++at;
        continue;
      }
      if (const std::size_t behind = plain_word(at); behind > at) {
        at = behind;
        continue;
      }
      std::size_t end = at;
      bool url = false;
      while (end < text_.size() && value_bytes[static_cast<unsigned char>(text_[end])]) {
        if (!url && (text_[end] == ':' || text_[end] == '=')) {
          url = text_.substr(end).starts_with("://");
          if (!url) break;  // name=value, key:value
        }
        ++end;
      }
      take(at, end);
      at = std::max(end, at + 1);
    }
    end_group();
  }

 private:
  // Behind a word of letters that can be no value and part of none, with the comma or stop behind
  // it; `at` itself where it may be more than that. Most words are such.
  std::size_t plain_word(std::size_t at) const {
    if (groups_ > 0) return at;  // it may belong to those
    const auto value_byte = [this](std::size_t i) {
      return i < text_.size() && value_bytes[static_cast<unsigned char>(text_[i])];
    };
    std::size_t end = at;
    while (end < text_.size() && is_letter(text_[end])) ++end;
    if (end == at || !value_byte(end)) return end;
    const char c = text_[end];
    if (c == '=' || (c == ':' && !text_.substr(end).starts_with("://"))) return end;
    return (c == ',' || c == '.') && !value_byte(end + 1) ? end + 1 : at;
  }

  void add(Kind kind, std::size_t begin, std::size_t end) {
    folded_.clear();
    fold(text_.substr(begin, end - begin), folded_);
    if (folded_.size() < 4 || out_.size() >= most_) return;
    out_.push_back({kind, value_hash(folded_, key_), static_cast<std::uint32_t>(folded_.size()),
                    static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
  }

  // Groups of digits and capitals that a single blank parts are one number: cards, IBANs. Within it
  // a group may have no digit (the bank's letters) and the last one a single character; what has no
  // digit at the end is a word behind it.
  void join(std::size_t begin, std::size_t end, const Shape& shape) {
    const std::size_t size = end - begin;
    const bool in_row = groups_ > 0 && begin == group_next_ + 1;
    const bool part = size >= (in_row ? 1U : 2U) && size <= 6 &&
                      shape.others + shape.dots + shape.slashes == 0 && shape.upper_only &&
                      (shape.digits > 0 || (in_row && size == 4));
    if (!part || !in_row) end_group();
    if (!part) return;
    if (groups_++ == 0) group_begin_ = begin;
    group_next_ = end;
    if (shape.digits > 0) group_end_ = end;
    group_digits_ += shape.digits;
  }

  void end_group() {
    if (groups_ >= 3 && group_digits_ >= 8) add(Kind::digits, group_begin_, group_end_);
    groups_ = 0;
    group_digits_ = 0;
  }

  void take(std::size_t begin, std::size_t end) {
    while (end > begin && ends_none[static_cast<unsigned char>(text_[end - 1])]) --end;
    while (begin < end && begins_none[static_cast<unsigned char>(text_[begin])]) ++begin;
    const std::string_view token = text_.substr(begin, end - begin);
    const std::size_t scheme = token.find("://");
    if (token.empty()) {
      end_group();
      return;
    }
    const Shape shape = shape_of(token);
    join(begin, end, shape);
    if (token.size() < 4) return;
    if (scheme != std::string_view::npos) {
      add(Kind::url, begin, end);
      std::size_t host = begin + scheme + 3;
      std::size_t host_end = std::min(text_.find_first_of("/?#", host), end);
      if (const std::size_t user = text_.substr(host, host_end - host).rfind('@');
          user != std::string_view::npos)
        host += user + 1;
      if (const std::size_t port = text_.substr(host, host_end - host).rfind(':');
          port != std::string_view::npos)
        host_end = host + port;
      if (host_end > host && text_.substr(host, host_end - host).contains('.'))
        add(Kind::host, host, host_end);
      return;
    }
    if (const std::size_t sign = token.find('@'); sign != std::string_view::npos && sign > 0 &&
                                                  token.find('.', sign) != std::string_view::npos) {
      // Scripts without blanks stand right beside it.
      const auto ascii = [&](std::size_t at) {
        return static_cast<unsigned char>(text_[at]) < 0x80;
      };
      std::size_t first = begin + sign, last = begin + sign;
      while (first > begin && ascii(first - 1)) --first;
      while (last < end && ascii(last)) ++last;
      const std::string_view own = text_.substr(first, last - first);
      if (own.size() < token.size() && first < begin + sign &&
          own.find('.', own.find('@')) != std::string_view::npos)
        add(Kind::address, first, last);
      else
        add(Kind::address, begin, end);
      return;
    }
    if (looks_like_time(token)) return;
    if (looks_like_ip(token)) {
      add(Kind::host, begin, end);
      return;
    }
    if (shape.letters == 0 && token.find_first_not_of("0123456789.,$+") == std::string_view::npos) {
      take_number(token, begin, end, shape);
      return;
    }
    if (shape.letters == 0 && shape.dots + shape.slashes > 0 && shape.digits < 7)
      return;  // a share
    const bool rooted = token.starts_with('/') || token.starts_with("~/") ||
                        token.starts_with("./") || token.starts_with("../");
    if (shape.slashes > 0 &&
        (rooted ? token.size() >= 5
                : shape.slashes >= 2 || shape.dots > 0 || shape.others + shape.digits > 0)) {
      add(Kind::path, begin, end);
      return;
    }
    if (shape.slashes > 0) return;  // and/or
    if (shape.digits >= 4 && (shape.letters > 0 || shape.others > 0 || shape.digits >= 7)) {
      add(Kind::id, begin, end);
      return;
    }
    if (token.size() >= 10 && shape.digits >= 2 && shape.letters >= 2 && shape.dots == 0) {
      add(Kind::id, begin, end);
      return;
    }
    if (shape.dots > 0 && shape.letters >= 4) {
      const std::size_t dot = token.rfind('.');
      const std::string_view ending = token.substr(dot + 1);
      if (dot >= 2 && ending.size() >= 2 && std::ranges::all_of(ending, is_letter))
        add(Kind::host, begin, end);
    }
  }

  void take_number(std::string_view token, std::size_t begin, std::size_t end, const Shape& shape) {
    std::array<char, 32> room;
    const std::string_view number = canonical_number(token, room);
    if (number.empty()) return;
    if (out_.size() < most_)
      out_.push_back({Kind::number, mixed(hashed(number, key_.multiplier) ^ number_salt),
                      static_cast<std::uint32_t>(number.size()), static_cast<std::uint32_t>(begin),
                      static_cast<std::uint32_t>(end)});
    // A long one without a point is somebody's, too.
    if (shape.digits >= 7 && shape.dots == 0 && !token.contains(',')) add(Kind::id, begin, end);
  }

  std::string_view text_;
  Key key_;
  std::size_t most_;
  std::vector<Value>& out_;
  std::string folded_;
  std::size_t groups_ = 0;
  std::size_t group_digits_ = 0;
  std::size_t group_begin_ = 0;
  std::size_t group_end_ = 0;
  std::size_t group_next_ = 0;
};

}  // namespace

void find_values(std::string_view text, Key key, std::size_t most, std::vector<Value>& out) {
  Finder(text, key, out.size() + most, out).run();
}

}  // namespace latticegate::provenance
