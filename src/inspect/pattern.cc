#include "inspect/pattern.h"

#include <algorithm>
#include <format>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace latticegate::inspect {
namespace {

constexpr char32_t last_code_point = 0x10FFFF;
constexpr std::uint32_t unlimited = std::numeric_limits<std::uint32_t>::max();

// The code point at `at`, which moves behind it. Bytes that are no UTF-8 count as U+FFFD, one by
// one.
char32_t take(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(at);
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  char32_t c = length == 4 ? lead & 7 : length == 3 ? lead & 15 : lead & 31;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) {
      ++at;
      return 0xFFFD;
    }
    c = c << 6 | (byte(at + i) & 0x3F);
  }
  at += length == 0 ? 1 : length;
  return length == 0 ? 0xFFFD : c;
}

constexpr bool is_word(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

constexpr bool is_letter(char32_t c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

}  // namespace

bool Pattern::Class::has(char32_t c) const {
  if (c < 128) return (ascii[c >> 6] >> (c & 63) & 1) != 0;
  const auto above =
      std::ranges::upper_bound(ranges, c, {}, [](const Range& range) { return range.first; });
  return above != ranges.begin() && c <= std::prev(above)->last;
}

// Recursive descent over the pattern; a piece of program addresses its steps relatively, so that
// pieces are joined and repeated by copying.
class PatternCompiler {
 public:
  using Op = Pattern::Op;
  using Step = Pattern::Step;
  using Class = Pattern::Class;
  using Range = Pattern::Range;
  using Code = std::vector<Step>;

  PatternCompiler(std::string_view source, Pattern::Options options)
      : source_(source), options_(options) {}

  base::Result<Pattern> run() {
    if (source_.size() > 16'384) return base::fail(base::Code::too_large, "a pattern above 16 KiB");
    Code code = alternatives(0);
    if (!failed_ && at_ < source_.size()) refuse("an unmatched )");
    if (failed_) return std::unexpected(std::move(error_));
    Pattern pattern;
    code.push_back({Op::accept, 0, 0});
    pattern.program_ = std::move(code);
    pattern.classes_ = std::move(classes_);
    if (is_row_ && tells_apart(pattern.classes_)) {
      pattern.row_ = std::move(row_);
      pattern.row_begin_ = row_begin_;
      pattern.row_end_ = row_end_;
    }
    return pattern;
  }

 private:
  Code refuse(std::string_view words, base::Code code = base::Code::malformed) {
    if (!failed_) error_ = {code, std::format("{} at character {} of the pattern", words, at_ + 1)};
    failed_ = true;
    return {};
  }

  bool done() const { return at_ >= source_.size(); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  bool accept(std::string_view text) {
    if (!source_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  bool fits(std::size_t size) {
    if (size <= Pattern::most_steps) return true;
    refuse("too many repetitions", base::Code::too_large);
    return false;
  }

  static std::int32_t offset(std::size_t size) { return static_cast<std::int32_t>(size); }

  void append(Code& code, const Code& more) {
    if (fits(code.size() + more.size())) code.insert(code.end(), more.begin(), more.end());
  }

  Code alternatives(int depth) {
    if (depth > 32) return refuse("groups nested deeper than 32", base::Code::too_large);
    Code code = sequence(depth);
    while (!failed_ && accept("|")) {
      is_row_ = false;
      const Code other = sequence(depth);
      Code both{{Op::split, 1, offset(code.size() + 2)}};
      append(both, code);
      both.push_back({Op::jump, offset(other.size() + 1), 0});
      append(both, other);
      code = std::move(both);
    }
    return code;
  }

  Code sequence(int depth) {
    Code code;
    while (!failed_ && !done() && peek() != '|' && peek() != ')') {
      const char first = peek();
      const bool assertion =
          first == '^' || first == '$' || (first == '\\' && (peek(1) == 'b' || peek(1) == 'B'));
      const bool at_start = at_ == 0;
      Code piece = atom(depth);
      if (first == '(' || depth > 0) is_row_ = false;
      if (assertion) {
        note_assertion(first, at_start);
      } else if (!failed_) {
        const std::size_t set = classes_.size() - 1;
        piece = quantified(std::move(piece));
        row_.push_back({static_cast<std::uint32_t>(set), least_, most_});
      }
      append(code, piece);
    }
    return code;
  }

  // ^ at the start and $ at the end keep a row a row.
  void note_assertion(char which, bool at_start) {
    if (which == '^' && at_start)
      row_begin_ = true;
    else if (which == '$' && done())
      row_end_ = true;
    else
      is_row_ = false;
  }

  // Whether each character can be taken by one item only: a repeated class shares nothing with what
  // may follow it.
  bool tells_apart(const std::vector<Class>& classes) const {
    for (std::size_t i = 0; i < row_.size(); ++i) {
      if (row_[i].least == row_[i].most) continue;
      for (std::size_t j = i + 1; j < row_.size(); ++j) {
        if (overlap(classes[row_[i].set], classes[row_[j].set])) return false;
        if (row_[j].least > 0) break;
      }
    }
    return !row_.empty();
  }

  static bool overlap(const Class& a, const Class& b) {
    if ((a.ascii[0] & b.ascii[0]) != 0 || (a.ascii[1] & b.ascii[1]) != 0) return true;
    return std::ranges::any_of(a.ranges, [&](const Range& x) {
      return std::ranges::any_of(
          b.ranges, [&](const Range& y) { return x.first <= y.last && y.first <= x.last; });
    });
  }

  Code atom(int depth) {
    if (accept("^")) return {{Op::text_begin, 0, 0}};
    if (accept("$")) return {{Op::text_end, 0, 0}};
    if (accept("\\b")) return {{Op::word_edge, 0, 0}};
    if (accept("\\B")) return {{Op::no_word_edge, 0, 0}};
    if (accept("(")) return group(depth);
    if (accept("[")) return bracket();
    if (accept(".")) {
      Class any = everything();
      for (const char32_t c : {U'\n', U'\r'}) any.ascii[0] &= ~(std::uint64_t{1} << c);
      any.ranges = {{128, 0x2027}, {0x202A, last_code_point}};
      return one_of(std::move(any));
    }
    if (peek() == '*' || peek() == '+' || peek() == '?') return refuse("nothing to repeat");
    Class set;
    if (accept("\\")) {
      if (escape_class(set)) return one_of(std::move(set));
      const char32_t c = escape(false);
      add(set, c, c);
    } else {
      const char32_t c = take(source_, at_);
      add(set, c, c);
    }
    return one_of(std::move(set));
  }

  Code group(int depth) {
    if (accept("?")) {
      if (accept("<")) {
        if (peek() == '=' || peek() == '!') return refuse("a look-behind", base::Code::unsupported);
        while (!done() && peek() != '>') ++at_;
        if (!accept(">")) return refuse("a group name that does not end");
      } else if (peek() == '=' || peek() == '!') {
        return refuse("a look-ahead", base::Code::unsupported);
      } else if (!accept(":")) {
        return refuse("a group option", base::Code::unsupported);
      }
    }
    Code code = alternatives(depth + 1);
    if (!failed_ && !accept(")")) return refuse("a group that does not end");
    return code;
  }

  std::optional<std::uint32_t> number() {
    if (peek() < '0' || peek() > '9') return std::nullopt;
    std::uint32_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      value =
          std::min<std::uint32_t>(value * 10 + static_cast<std::uint32_t>(peek() - '0'), 100'000);
    return value;
  }

  // {n}, {n,} and {n,m}; anything else in braces is text.
  bool braces(std::uint32_t& least, std::uint32_t& most) {
    const std::size_t before = at_;
    const auto first = accept("{") ? number() : std::nullopt;
    if (first) {
      least = most = *first;
      if (accept(",")) most = number().value_or(unlimited);
      if (accept("}")) return true;
    }
    at_ = before;
    return false;
  }

  Code quantified(Code piece) {
    std::uint32_t& least = least_ = 1;
    std::uint32_t& most = most_ = 1;
    if (accept("*"))
      least = 0, most = unlimited;
    else if (accept("+"))
      most = unlimited;
    else if (accept("?"))
      least = 0;
    else if (!braces(least, most)) {
      least = most = 1;  // what was read of the braces is text
      return piece;
    }
    accept("?");  // lazy or greedy makes no difference: the longest match is wanted
    if (peek() == '*' || peek() == '+' || peek() == '?') return refuse("nothing to repeat");
    if (most < least) return refuse("a repetition whose bounds are swapped");
    return repeat(piece, least, most);
  }

  Code repeat(const Code& piece, std::uint32_t least, std::uint32_t most) {
    Code code;
    if (piece.empty()) return code;
    for (std::uint32_t i = 0; i < least && !failed_; ++i) append(code, piece);
    if (most == unlimited) {
      Code loop{{Op::split, 1, offset(piece.size() + 2)}};
      append(loop, piece);
      loop.push_back({Op::jump, -offset(piece.size() + 1), 0});
      append(code, loop);
    } else {
      // Each optional copy can leave to the end of all copies.
      const std::uint32_t optional = most - least;
      if (optional > Pattern::most_steps || !fits(optional * (piece.size() + 1))) {
        refuse("too many repetitions", base::Code::too_large);
        return {};
      }
      for (std::uint32_t i = 0; i < optional && !failed_; ++i) {
        const std::size_t rest = (optional - i) * (piece.size() + 1);
        code.push_back({Op::split, 1, offset(rest)});
        append(code, piece);
      }
    }
    return code;
  }

  Class everything() const {
    Class set;
    set.ascii = {~std::uint64_t{0}, ~std::uint64_t{0}};
    set.ranges = {{128, last_code_point}};
    return set;
  }

  void add(Class& set, char32_t first, char32_t last) const {
    for (char32_t c = first; c <= last && c < 128; ++c) {
      set.ascii[c >> 6] |= std::uint64_t{1} << (c & 63);
      if (options_.ignore_case && is_letter(c)) {
        const char32_t other = c ^ 0x20;
        set.ascii[other >> 6] |= std::uint64_t{1} << (other & 63);
      }
    }
    if (last >= 128) set.ranges.push_back({std::max<char32_t>(first, 128), last});
  }

  static void tidy(Class& set) {
    std::ranges::sort(set.ranges, {}, [](const Range& range) { return range.first; });
    std::vector<Range> merged;
    for (const Range& range : set.ranges) {
      if (!merged.empty() && range.first <= merged.back().last + 1)
        merged.back().last = std::max(merged.back().last, range.last);
      else
        merged.push_back(range);
    }
    set.ranges = std::move(merged);
  }

  static void invert(Class& set) {
    tidy(set);
    set.ascii = {~set.ascii[0], ~set.ascii[1]};
    std::vector<Range> gaps;
    char32_t next = 128;
    for (const Range& range : set.ranges) {
      if (range.first > next) gaps.push_back({next, range.first - 1});
      next = range.last + 1;
    }
    if (next <= last_code_point) gaps.push_back({next, last_code_point});
    set.ranges = std::move(gaps);
  }

  Code one_of(Class set) {
    tidy(set);
    classes_.push_back(std::move(set));
    return {{Op::one_of, static_cast<std::int32_t>(classes_.size() - 1), 0}};
  }

  // \d \D \w \W \s \S behind the backslash.
  bool escape_class(Class& set) {
    const char letter = peek();
    const char lower = static_cast<char>(letter | 0x20);
    if (lower != 'd' && lower != 'w' && lower != 's') return false;
    ++at_;
    Class own;
    if (lower == 'd' || lower == 'w') add(own, '0', '9');
    if (lower == 'w') {
      add(own, 'A', 'Z');
      add(own, 'a', 'z');
      add(own, '_', '_');
    }
    if (lower == 's') {
      add(own, '\t', '\r');
      for (const char32_t c : {U' ', U'\u00A0', U'\u1680', U'\u2028', U'\u2029', U'\u202F',
                               U'\u205F', U'\u3000', U'\uFEFF'})
        add(own, c, c);
      add(own, 0x2000, 0x200A);
    }
    if (letter != lower) invert(own);
    set.ascii[0] |= own.ascii[0];
    set.ascii[1] |= own.ascii[1];
    set.ranges.insert(set.ranges.end(), own.ranges.begin(), own.ranges.end());
    return true;
  }

  std::optional<char32_t> hexadecimal(std::size_t digits) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = peek();
      const bool digit = c >= '0' && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      if (!digit && (lower < 'a' || lower > 'f')) return std::nullopt;
      value = value * 16 + static_cast<char32_t>(digit ? c - '0' : lower - 'a' + 10);
      ++at_;
    }
    return value;
  }

  // One character behind the backslash.
  char32_t escape(bool in_class) {
    if (done()) {
      refuse("a backslash at the end");
      return 0;
    }
    const char32_t c = take(source_, at_);
    switch (c) {
      case 't': return '\t';
      case 'n': return '\n';
      case 'r': return '\r';
      case 'v': return '\v';
      case 'f': return '\f';
      case '0': return '\0';
      case 'b':
        if (in_class) return '\b';
        break;
      case 'x':
        if (const auto value = hexadecimal(2)) return *value;
        refuse("a bad \\x");
        return 0;
      case 'u': {
        if (accept("{")) {
          std::size_t length = 0;
          while (length < 6 && peek(length) != '}' && at_ + length < source_.size()) ++length;
          const auto value = length > 0 ? hexadecimal(length) : std::nullopt;
          if (value && *value <= last_code_point && accept("}")) return *value;
        } else if (const auto value = hexadecimal(4)) {
          return surrogates(*value);
        }
        refuse("a bad \\u");
        return 0;
      }
      default: break;
    }
    if (c >= '1' && c <= '9')
      refuse("a back reference", base::Code::unsupported);
    else if (c == 'p' || c == 'P')
      refuse("a Unicode property", base::Code::unsupported);
    else if (is_letter(c))
      refuse("an unknown escape");
    return c;
  }

  char32_t surrogates(char32_t high) {
    if (high < 0xD800 || high > 0xDBFF || !accept("\\u")) return high;
    const auto low = hexadecimal(4);
    if (!low || *low < 0xDC00 || *low > 0xDFFF) {
      refuse("half of a surrogate pair");
      return 0;
    }
    return 0x10000 + ((high - 0xD800) << 10) + (*low - 0xDC00);
  }

  Code bracket() {
    const bool negated = accept("^");
    Class set;
    while (!failed_ && !accept("]")) {
      if (done()) return refuse("a class that does not end");
      bool single = true;
      const char32_t first = class_atom(set, single);
      if (single && peek() == '-' && peek(1) != ']' && at_ + 1 < source_.size()) {
        ++at_;
        bool second_single = true;
        const char32_t last = class_atom(set, second_single);
        if (!second_single) {
          add(set, first, first);
          add(set, '-', '-');
        } else if (last < first) {
          return refuse("a range whose ends are swapped");
        } else {
          add(set, first, last);
        }
      } else if (single) {
        add(set, first, first);
      }
    }
    if (negated) invert(set);
    return one_of(std::move(set));
  }

  char32_t class_atom(Class& set, bool& single) {
    if (accept("\\")) {
      if (escape_class(set)) {
        single = false;
        return 0;
      }
      return escape(true);
    }
    return take(source_, at_);
  }

  std::string_view source_;
  Pattern::Options options_;
  std::size_t at_ = 0;
  std::vector<Class> classes_;
  std::vector<Pattern::Item> row_;
  bool is_row_ = true, row_begin_ = false, row_end_ = false;
  std::uint32_t least_ = 1, most_ = 1;  // of the quantifier read last
  bool failed_ = false;
  base::Error error_;
};

base::Result<Pattern> Pattern::compile(std::string_view pattern, Options options) {
  auto compiled = PatternCompiler(pattern, options).run();
  if (compiled) compiled->find_first();
  return compiled;
}

// What is reached from the first step without reading; all bytes when that may be the end.
void Pattern::find_first() {
  std::vector<bool> seen(program_.size());
  std::vector<std::size_t> open{0};
  std::bitset<256> first;
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    if (at >= program_.size() || seen[at]) continue;
    seen[at] = true;
    const Step& step = program_[at];
    const auto other = [at](std::int32_t by) {
      return static_cast<std::size_t>(static_cast<std::int64_t>(at) + by);
    };
    switch (step.op) {
      case Op::one_of: {
        const Class& set = classes_[static_cast<std::size_t>(step.a)];
        for (char32_t c = 0; c < 0x80; ++c)
          if (set.has(c)) first.set(c);
        if (!set.ranges.empty())
          for (std::size_t c = 0x80; c < 256; ++c) first.set(c);
        break;
      }
      case Op::jump: open.push_back(other(step.a)); break;
      case Op::split:
        open.push_back(other(step.a));
        open.push_back(other(step.b));
        break;
      case Op::word_edge:
      case Op::no_word_edge:
      case Op::text_begin: open.push_back(at + 1); break;
      case Op::accept:
      case Op::text_end: return;  // it may be empty: all bytes
    }
  }
  if (!program_.empty()) first_ = first;
}

// The set of program steps that are alive at one position of the text.
class Pattern::Run {
 public:
  Run(const Pattern& pattern, std::string_view text) : pattern_(pattern), text_(text) {
    const std::size_t n = pattern.program_.size();
    words_ = (n + word_bits - 1) / word_bits;
    forget();
    if (n > small) large_ = std::make_unique_for_overwrite<std::uint32_t[]>(3 * n);
    const std::span<std::uint32_t> room =
        n > small ? std::span(large_.get(), 3 * n) : std::span(small_);
    now_ = room.subspan(0, n);
    next_ = room.subspan(n, n);
    stack_ = room.subspan(2 * n, n);
  }

  // Adds a step and all that is reached from it without reading a character.
  void add(std::uint32_t first, std::size_t position) {
    std::size_t depth = 0;
    push(first, depth);
    while (depth > 0) {
      const std::uint32_t at = stack_[--depth];
      const Step& step = pattern_.program_[at];
      switch (step.op) {
        case Op::accept: accepted_ = true; break;
        case Op::one_of: next_[count_next_++] = at; break;
        case Op::jump: push(target(at, step.a), depth); break;
        case Op::split:
          push(target(at, step.a), depth);
          push(target(at, step.b), depth);
          break;
        case Op::text_begin:
          if (position == 0) push(at + 1, depth);
          break;
        case Op::text_end:
          if (position == text_.size()) push(at + 1, depth);
          break;
        case Op::word_edge:
          if (word_edge(position)) push(at + 1, depth);
          break;
        case Op::no_word_edge:
          if (!word_edge(position)) push(at + 1, depth);
          break;
      }
    }
  }

  // Makes what was added the current set; true when the pattern may end here.
  bool advance() {
    std::swap(now_, next_);
    count_now_ = std::exchange(count_next_, 0);
    forget();
    return std::exchange(accepted_, false);
  }

  std::size_t alive() const { return count_now_; }

  // Reads one character into the next set; the position moves behind it.
  void step(std::size_t& position) {
    const char32_t c = take(text_, position);
    for (std::size_t i = 0; i < count_now_; ++i) {
      const Step& step = pattern_.program_[now_[i]];
      if (pattern_.classes_[static_cast<std::size_t>(step.a)].has(c)) add(now_[i] + 1, position);
    }
  }

 private:
  static constexpr std::size_t small = 256;
  static constexpr std::size_t word_bits = 64;

  void forget() { std::ranges::fill(std::span(seen_).first(words_), 0); }

  static std::uint32_t target(std::uint32_t at, std::int32_t offset) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(at) + offset);
  }

  void push(std::uint32_t at, std::size_t& depth) {
    std::uint64_t& seen = seen_[at / word_bits];
    const std::uint64_t own = std::uint64_t{1} << at % word_bits;
    if ((seen & own) != 0) return;
    seen |= own;
    stack_[depth++] = at;
  }

  bool word_edge(std::size_t position) const {
    const bool before = position > 0 && is_word(static_cast<unsigned char>(text_[position - 1]));
    const bool behind =
        position < text_.size() && is_word(static_cast<unsigned char>(text_[position]));
    return before != behind;
  }

  const Pattern& pattern_;
  std::string_view text_;
  // Written before they are read, so not cleared: that would cost more than most matches.
  std::array<std::uint32_t, 3 * small> small_;
  std::unique_ptr<std::uint32_t[]> large_;
  std::span<std::uint32_t> now_, next_, stack_;
  // A bit per step: whether it was added since the last advance().
  std::array<std::uint64_t, most_steps / word_bits + 1> seen_;
  std::size_t words_ = 0;
  std::size_t count_now_ = 0, count_next_ = 0;
  bool accepted_ = false;
};

namespace {

// Pays for one position of the text; false when the budget is spent.
bool pay(std::uint64_t* work, std::uint64_t cost) {
  if (work == nullptr) return true;
  const bool enough = *work > cost;
  *work = enough ? *work - cost : 0;
  return enough;
}

}  // namespace

std::optional<std::size_t> Pattern::match_row(std::string_view text, std::size_t begin,
                                              std::uint64_t* work) const {
  if (row_begin_ && begin != 0) return std::nullopt;
  std::size_t at = begin;
  bool matched = true;
  for (const Item& item : row_) {
    const Class& set = classes_[item.set];
    std::uint32_t count = 0;
    for (; count < item.most && at < text.size(); ++count) {
      std::size_t behind = at;
      if (!set.has(take(text, behind))) break;
      at = behind;
    }
    matched = count >= item.least;
    if (!matched) break;
  }
  if (!pay(work, at - begin + 1)) return std::nullopt;
  if (!matched || (row_end_ && at != text.size())) return std::nullopt;
  return at;
}

std::optional<std::size_t> Pattern::match_at(std::string_view text, std::size_t begin,
                                             std::uint64_t* work) const {
  if (program_.empty()) return begin;
  if (!row_.empty()) return match_row(text, begin, work);
  __attribute__((uninitialized)) Run run(*this, text);
  std::optional<std::size_t> end;
  std::size_t position = begin;
  run.add(0, position);
  for (;;) {
    if (run.advance()) end = position;
    if (run.alive() == 0 || position >= text.size()) return end;
    if (!pay(work, run.alive() + 1)) return std::nullopt;
    run.step(position);
  }
}

bool Pattern::found_in(std::string_view text, std::uint64_t* work) const {
  if (program_.empty()) return true;
  if (!row_.empty() && row_begin_) return match_row(text, 0, work).has_value();
  __attribute__((uninitialized)) Run run(*this, text);
  std::size_t position = 0;
  for (;;) {
    run.add(0, position);
    if (run.advance()) return true;
    if (position >= text.size() || !pay(work, run.alive() + 1)) return false;
    run.step(position);
  }
}

}  // namespace latticegate::inspect
