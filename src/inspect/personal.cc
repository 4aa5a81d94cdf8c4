#include "inspect/detail/personal.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "inspect/detail/number.h"

namespace latticegate::inspect {
namespace {

constexpr std::size_t fewest_digits = 8, most_digits = 19;
constexpr std::size_t context_bytes = 48;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

// A number of persons that only its check digit and a word in front of it make one.
struct Identity {
  std::string_view rule;
  std::string_view label;
  TokenCheck check{};
  std::size_t least, most;                       // characters without separators
  std::array<std::string_view, 5> context = {};  // lower case
};
constexpr auto identities = std::to_array<Identity>({
    {"us-ssn", "personal", TokenCheck::us_ssn, 9, 9, {"ssn", "social security", "social-security"}},
    {"uk-nhs-number", "phi", TokenCheck::uk_nhs, 10, 10, {"nhs"}},
    {"nl-bsn", "personal-eu", TokenCheck::nl_bsn, 9, 9, {"bsn", "burgerservice", "sofi"}},
    {"pl-pesel", "personal-eu", TokenCheck::pl_pesel, 11, 11, {"pesel"}},
    {"br-cpf", "personal", TokenCheck::br_cpf, 11, 11, {"cpf"}},
    {"es-nif", "personal-eu", TokenCheck::es_nif, 9, 9, {"dni", "nif", "nie", "documento"}},
    {"it-codice-fiscale",
     "personal-eu",
     TokenCheck::it_cf,
     16,
     16,
     {"codice", "fiscale", "cf", "tax"}},
    {"fr-nir",
     "personal-eu",
     TokenCheck::fr_nir,
     15,
     15,
     {"nir", "insee", "securite sociale", "secu"}},
    {"de-tax-id", "personal-eu", TokenCheck::de_tax, 11, 11, {"steuer", "idnr", "tax id", "tin"}},
    {"se-personnummer",
     "personal-eu",
     TokenCheck::se_personal,
     10,
     12,
     {"personnummer", "personal number", "samordning"}},
    {"ch-ahv", "personal", TokenCheck::ch_ahv, 13, 13, {"ahv", "avs", "social"}},
    {"in-aadhaar", "personal", TokenCheck::in_aadhaar, 12, 12, {"aadhaar", "aadhar", "uidai"}},
    {"au-tfn", "personal", TokenCheck::au_tfn, 9, 9, {"tfn", "tax file"}},
    {"ca-sin", "personal", TokenCheck::ca_sin, 9, 9, {"sin", "social insurance"}},
    {"be-national-number",
     "personal-eu",
     TokenCheck::be_national,
     11,
     11,
     {"rijksregister", "registre national", "national number", "insz", "niss"}},
});
constexpr auto phone_words =
    std::to_array<std::string_view>({"phone", "tel", "mobile", "cell", "fax", "call", "text",
                                     "whatsapp", "contact", "number", "reach", "dial"});

class Finder {
 public:
  Finder(std::string_view text, std::size_t most) : text_(text), most_(most) {}

  void look(const Word& word) {
    if (word.begin < done_ || found_.size() >= most_) return;
    const std::string_view token = text_.substr(word.begin, word.end - word.begin);
    bool digits = false, sign = false;
    for (const char c : token) {
      digits = digits || is_digit(c);
      sign = sign || c == '@';
    }
    if (sign) {
      if (token.find('.', token.find('@')) != std::string_view::npos)
        add("email-address", "personal", Severity::low, Confidence::verified, word.begin, word.end);
      return;
    }
    if (!digits || (word.begin > 0 && is_alnum(text_[word.begin - 1]))) return;
    if (!is_digit(token.front()))
      lettered(word);
    else
      number(word);
  }

  std::vector<PersonalMatch> take() { return std::move(found_); }

 private:
  void add(std::string_view rule, std::string_view label, Severity severity, Confidence confidence,
           std::size_t begin, std::size_t end) {
    found_.push_back({rule, label, severity, confidence, begin, end});
    done_ = end;
  }

  // The words in front, in lower case; a key of JSON stands there too.
  std::string context(std::size_t begin) const {
    const std::size_t from = begin - std::min(begin, context_bytes);
    std::string out(text_.substr(from, begin - from));
    std::ranges::transform(out, out.begin(), [](unsigned char c) {
      return c == '_' || c == '-' ? ' ' : static_cast<char>(std::tolower(c));
    });
    return out;
  }
  static bool has_word(std::string_view context, std::string_view word) {
    for (std::size_t at = 0; (at = context.find(word, at)) != std::string_view::npos; ++at) {
      const bool left = at == 0 || !is_alnum(context[at - 1]);
      const std::size_t end = at + word.size();
      const bool right = word.size() > 3 || end == context.size() || !is_alnum(context[end]);
      if (left && right) return true;
    }
    return false;
  }

  bool identity(std::size_t begin, std::size_t end, std::size_t size) {
    const std::string_view token = text_.substr(begin, end - begin);
    std::string words;
    for (const Identity& one : identities) {
      if (size < one.least || size > one.most || !number_holds(one.check, token)) continue;
      if (words.empty()) words = context(begin);
      // Three, two and four digits with the same separator speak for themselves.
      const bool dressed = one.check == TokenCheck::us_ssn && token.size() == 11 &&
                           token[3] == '-' && token[6] == '-';
      if (!dressed && std::ranges::none_of(one.context, [&](std::string_view word) {
            return !word.empty() && has_word(words, word);
          }))
        continue;
      add(one.rule, one.label, Severity::medium, Confidence::verified, begin, end);
      return true;
    }
    return false;
  }

  void number(const Word& word) {
    std::size_t end = word.begin, digits = 0;
    for (std::size_t at = word.begin; at < text_.size() && digits < most_digits; ++at) {
      const char c = text_[at];
      if (is_digit(c)) {
        ++digits;
        end = at + 1;
      } else if ((c != ' ' && c != '-' && c != '.' && c != '/' && c != '(' && c != ')') ||
                 at > end + 1) {
        break;
      }
    }
    if (digits < fewest_digits) return;
    const std::size_t after = end;
    const bool letter = after < text_.size() && is_alnum(text_[after]);
    if (letter) {  // 12345678Z
      if (digits == 8 && (after + 1 >= text_.size() || !is_alnum(text_[after + 1])))
        (void)identity(word.begin, after + 1, 9);
      return;
    }
    if (digits >= 12 &&
        number_holds(TokenCheck::luhn, text_.substr(word.begin, end - word.begin))) {
      add("payment-card", "pci", Severity::medium, Confidence::verified, word.begin, end);
      return;
    }
    if (digits >= 9 && digits <= 15 && identity(word.begin, end, digits)) return;
    phone(word.begin, end, digits);
  }

  void phone(std::size_t begin, std::size_t end, std::size_t digits) {
    const std::string_view token = text_.substr(begin, end - begin);
    const std::size_t open =
        begin > 0 && (text_[begin - 1] == '+' || text_[begin - 1] == '(') ? 1 : 0;
    const bool plus = open == 1 && text_[begin - 1] == '+';
    if (digits > 15) return;
    if (token.find('.') != std::string_view::npos && std::ranges::count(token, '.') == 1) return;
    const auto marks = std::ranges::count_if(token, [](char c) { return !is_digit(c); });
    bool spoken = plus && digits >= 9;
    if (!spoken && digits >= 9 && digits <= 12 && (marks >= 2 || open == 1 || digits == 10)) {
      const std::string words = context(begin - open);
      spoken = std::ranges::any_of(phone_words,
                                   [&](std::string_view word) { return has_word(words, word); });
      // (212) 555-0134 and 212-555-0134
      const bool american = digits == 10 && token.size() >= 12 && is_digit(token[2]) &&
                            !is_digit(token[3]) && token[0] >= '2' &&
                            token[token.size() - 5] == '-';
      spoken = spoken || (american && marks <= 3);
    }
    if (spoken)
      add("phone-number", "personal", Severity::low, Confidence::likely, begin - open, end);
  }

  void lettered(const Word& word) {
    const std::string_view rest = text_.substr(word.begin);
    // IBAN: two letters, two digits, then groups of letters and digits.
    if (rest.size() >= 15 && std::isupper(static_cast<unsigned char>(rest[0])) != 0 &&
        std::isupper(static_cast<unsigned char>(rest[1])) != 0 && is_digit(rest[2]) &&
        is_digit(rest[3])) {
      std::size_t count = 0;
      for (std::size_t at = 0; at < rest.size() && at < 48; ++at) {
        if (is_alnum(rest[at])) {
          ++count;
          const bool last = at + 1 == rest.size() || !is_alnum(rest[at + 1]);
          if (last && count >= 15 && number_holds(TokenCheck::iban, rest.substr(0, at + 1))) {
            add("iban", "personal-eu", Severity::medium, Confidence::verified, word.begin,
                word.begin + at + 1);
            return;
          }
        } else if (rest[at] != ' ' && rest[at] != '-') {
          break;
        }
      }
    }
    const std::size_t size = word.end - word.begin;
    if (size == 16 || size == 9) (void)identity(word.begin, word.end, size);
  }

  std::string_view text_;
  std::size_t most_;
  std::size_t done_ = 0;
  std::vector<PersonalMatch> found_;
};

}  // namespace

std::vector<PersonalMatch> find_personal(std::string_view text, std::span<const Word> words,
                                         std::size_t most) {
  Finder finder(text, most);
  for (const Word& word : words)
    if (word.data) finder.look(word);
  return finder.take();
}

}  // namespace latticegate::inspect
