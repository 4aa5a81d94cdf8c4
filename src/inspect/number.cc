// Check digits of cards, accounts and numbers of persons; each from the publication of the body
// that gives the numbers.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "inspect/detail/number.h"

namespace latticegate::inspect {
namespace {

// Digits and capitals without separators.
std::string bare(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}
bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}
int digit(char c) { return c - '0'; }
bool same(std::string_view text) {
  return std::ranges::all_of(text, [&](char c) { return c == text.front(); });
}

int weighted(std::string_view digits, std::span<const int> weights) {
  int sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) sum += digit(digits[i]) * weights[i];
  return sum;
}

bool luhn(std::string_view digits) {
  int sum = 0;
  bool twice = false;
  for (std::size_t i = digits.size(); i-- > 0; twice = !twice) {
    const int value = twice ? 2 * digit(digits[i]) : digit(digits[i]);
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 == 0;
}

bool card(std::string_view d) {
  if (!all_digits(d) || d.size() < 12 || d.size() > 19 || same(d)) return false;
  const int two = std::stoi(std::string(d.substr(0, 2)));
  const int four = std::stoi(std::string(d.substr(0, 4)));
  const bool issuer = (d[0] == '4' && (d.size() == 13 || d.size() == 16 || d.size() == 19)) ||
                      (two >= 51 && two <= 55 && d.size() == 16) ||
                      (four >= 2221 && four <= 2720 && d.size() == 16) ||
                      ((two == 34 || two == 37) && d.size() == 15) ||
                      ((two == 36 || two == 38 || two == 30) && d.size() == 14) ||
                      ((four == 6011 || two == 65 || two == 64) && d.size() >= 16) ||
                      (two == 62 && d.size() >= 16) || (two == 35 && d.size() >= 15) ||
                      ((two == 50 || two == 56 || two == 57 || two == 58 || two == 63 ||
                        two == 67 || two == 18 || two == 60) &&
                       d.size() >= 12);
  return issuer && luhn(d);
}

int mod97(std::string_view text) {
  int rest = 0;
  for (const char c : text)
    rest = c >= 'A' ? (rest * 100 + (c - 'A' + 10)) % 97 : (rest * 10 + digit(c)) % 97;
  return rest;
}

struct Country {
  std::string_view code;
  std::size_t length;
};
constexpr auto iban_lengths = std::to_array<Country>(
    {{"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
     {"BH", 22}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22},
     {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27},
     {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28},
     {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20},
     {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27},
     {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NL", 18}, {"NO", 15},
     {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"SA", 24},
     {"SC", 31}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"ST", 25}, {"SV", 28}, {"TL", 23},
     {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20}});

bool iban(std::string_view text) {
  const auto* const country = std::ranges::find(iban_lengths, text.substr(0, 2), &Country::code);
  if (country == iban_lengths.end() || text.size() != country->length ||
      !all_digits(text.substr(2, 2)))
    return false;
  return mod97(std::string(text.substr(4)) + std::string(text.substr(0, 4))) == 1;
}

bool us_ssn(std::string_view d) {
  if (!all_digits(d) || d.size() != 9) return false;
  const std::string_view area = d.substr(0, 3);
  return area != "000" && area != "666" && area[0] != '9' && d.substr(3, 2) != "00" &&
         d.substr(5) != "0000" && d != "078051120" && d != "123456789" && d != "219099999" &&
         !same(d);
}

bool date_possible(int month, int day) {
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}
int two(std::string_view d, std::size_t at) { return digit(d[at]) * 10 + digit(d[at + 1]); }

bool pesel(std::string_view d) {
  constexpr auto weights = std::to_array({1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1});
  return all_digits(d) && d.size() == 11 && weighted(d, weights) % 10 == 0 &&
         date_possible(two(d, 2) % 20, two(d, 4)) && !same(d);
}

bool cpf(std::string_view d) {
  if (!all_digits(d) || d.size() != 11 || same(d)) return false;
  for (std::size_t count : {std::size_t{9}, std::size_t{10}}) {
    int sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += digit(d[i]) * static_cast<int>(count + 1 - i);
    if (sum * 10 % 11 % 10 != digit(d[count])) return false;
  }
  return true;
}

bool nif(std::string_view text) {
  constexpr std::string_view letters = "TRWAGMYFPDXBNJZSQVHLCKE";
  if (text.size() != 9) return false;
  std::string digits(text.substr(0, 8));
  if (digits[0] >= 'X' && digits[0] <= 'Z') digits[0] = static_cast<char>(digits[0] - 'X' + '0');
  if (!all_digits(digits) || same(digits)) return false;
  return letters[static_cast<std::size_t>(std::stoi(digits) % 23)] == text[8];
}

bool codice_fiscale(std::string_view text) {
  if (text.size() != 16) return false;
  constexpr auto odd = std::to_array({1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                      20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23});
  int sum = 0;
  for (std::size_t i = 0; i < 15; ++i) {
    const char c = text[i];
    const int value = c >= 'A' ? c - 'A' : digit(c);
    sum += i % 2 == 0 ? odd[static_cast<std::size_t>(value)] : value;
  }
  return text[15] == 'A' + sum % 26;
}

bool nir(std::string_view text) {
  if (text.size() != 15 || (text[0] != '1' && text[0] != '2')) return false;
  std::string digits(text);
  if (digits[5] == '2' && digits[6] == 'A') digits.replace(5, 2, "19");
  if (digits[5] == '2' && digits[6] == 'B') digits.replace(5, 2, "18");
  if (!all_digits(digits)) return false;
  return 97 - mod97(digits.substr(0, 13)) == two(digits, 13);
}

bool german_tax(std::string_view d) {
  if (!all_digits(d) || d.size() != 11 || d[0] == '0' || same(d)) return false;
  int product = 10;
  for (std::size_t i = 0; i < 10; ++i) {
    int sum = (digit(d[i]) + product) % 10;
    if (sum == 0) sum = 10;
    product = 2 * sum % 11;
  }
  return (11 - product) % 10 == digit(d[10]);
}

bool verhoeff(std::string_view d) {
  constexpr std::array<std::array<int, 10>, 10> multiply = {{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                                                             {1, 2, 3, 4, 0, 6, 7, 8, 9, 5},
                                                             {2, 3, 4, 0, 1, 7, 8, 9, 5, 6},
                                                             {3, 4, 0, 1, 2, 8, 9, 5, 6, 7},
                                                             {4, 0, 1, 2, 3, 9, 5, 6, 7, 8},
                                                             {5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
                                                             {6, 5, 9, 8, 7, 1, 0, 4, 3, 2},
                                                             {7, 6, 5, 9, 8, 2, 1, 0, 4, 3},
                                                             {8, 7, 6, 5, 9, 3, 2, 1, 0, 4},
                                                             {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}}};
  constexpr std::array<std::array<int, 10>, 8> permute = {{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                                                           {1, 5, 7, 6, 2, 8, 3, 0, 9, 4},
                                                           {5, 8, 0, 3, 7, 9, 6, 1, 4, 2},
                                                           {8, 9, 1, 6, 0, 4, 3, 5, 2, 7},
                                                           {9, 4, 5, 3, 1, 2, 6, 8, 7, 0},
                                                           {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
                                                           {2, 7, 9, 3, 8, 0, 6, 4, 1, 5},
                                                           {7, 0, 4, 6, 9, 1, 3, 2, 5, 8}}};
  int check = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    const auto value = static_cast<std::size_t>(digit(d[d.size() - 1 - i]));
    check =
        multiply[static_cast<std::size_t>(check)][static_cast<std::size_t>(permute[i % 8][value])];
  }
  return check == 0;
}

}  // namespace

bool number_holds(TokenCheck check, std::string_view token) {
  const std::string text = bare(token);
  const bool digits = all_digits(text) && !same(text);
  switch (check) {
    case TokenCheck::luhn: return card(text);
    case TokenCheck::iban: return iban(text);
    case TokenCheck::us_ssn: return us_ssn(text);
    case TokenCheck::uk_nhs: {
      constexpr auto weights = std::to_array({10, 9, 8, 7, 6, 5, 4, 3, 2});
      return digits && text.size() == 10 &&
             (11 - weighted(text, weights) % 11) % 11 == digit(text[9]);
    }
    case TokenCheck::nl_bsn: {
      constexpr auto weights = std::to_array({9, 8, 7, 6, 5, 4, 3, 2, -1});
      return digits && text.size() == 9 && weighted(text, weights) % 11 == 0;
    }
    case TokenCheck::pl_pesel: return pesel(text);
    case TokenCheck::br_cpf: return cpf(text);
    case TokenCheck::es_nif: return nif(text);
    case TokenCheck::it_cf: return codice_fiscale(text);
    case TokenCheck::fr_nir: return nir(text);
    case TokenCheck::de_tax: return german_tax(text);
    case TokenCheck::se_personal: {
      if (!digits || (text.size() != 10 && text.size() != 12)) return false;
      const std::string_view ten = std::string_view(text).substr(text.size() - 10);
      return date_possible(two(ten, 2), two(ten, 4) % 60) && luhn(ten);
    }
    case TokenCheck::ch_ahv: {
      if (!digits || text.size() != 13 || !text.starts_with("756")) return false;
      int sum = 0;
      for (std::size_t i = 0; i < 12; ++i) sum += digit(text[i]) * (i % 2 == 0 ? 1 : 3);
      return (10 - sum % 10) % 10 == digit(text[12]);
    }
    case TokenCheck::in_aadhaar:
      return digits && text.size() == 12 && text[0] >= '2' && verhoeff(text);
    case TokenCheck::au_tfn: {
      constexpr auto weights = std::to_array({1, 4, 3, 7, 5, 8, 6, 9, 10});
      return digits && text.size() == 9 && weighted(text, weights) % 11 == 0;
    }
    case TokenCheck::ca_sin: return digits && text.size() == 9 && text[0] != '8' && luhn(text);
    case TokenCheck::be_national: {
      if (!digits || text.size() != 11) return false;
      const int check_digits = two(text, 9);
      return 97 - mod97(text.substr(0, 9)) == check_digits ||
             97 - mod97("2" + text.substr(0, 9)) == check_digits;
    }
    default: return false;
  }
}

}  // namespace latticegate::inspect
