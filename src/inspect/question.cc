#include "inspect/question.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <format>

#include "base/log.h"

namespace latticegate::inspect {
namespace {

constexpr std::size_t most_fields = 256;

// What credentials are called, folded: small letters of ASCII, without separators. Letters of other
// scripts stay as they are.
constexpr auto credentials = std::to_array<std::string_view>(
    {"password", "passwd", "passphrase", "passcode", "onetimecode", "onetimepassword", "otp",
     "totp", "mfacode", "2facode", "verificationcode", "securitycode", "pincode", "seedphrase",
     "recoveryphrase", "recoverywords", "recoverycode", "mnemonic", "privatekey", "secretkey",
     "apikey", "apitoken", "accesstoken", "bearertoken", "authtoken", "sessiontoken",
     "clientsecret", "credential", "cardnumber", "creditcard", "debitcard", "cvc", "cvv",
     "socialsecurity", "ssn",
     // German, French, Spanish, Portuguese, Italian, Dutch, Polish, Turkish, Swedish
     "passwort", "kennwort", "einmalcode", "kartennummer", "motdepasse", "codesecret",
     "numerodecarte", "contrasena",
     "contrase\xC3\xB1"
     "a",
     "clavesecreta", "numerodetarjeta", "senha", "numerodicarta", "wachtwoord", "haslo",
     "has\xC5\x82o", "sifre", "\xC5\x9Fifre", "losenord", "l\xC3\xB6senord",
     // Russian, Chinese, Japanese, Korean, Arabic
     "\xD0\xB0\xD1\x80\xD0\xBE\xD0\xBB\xD1\x8C", "\xE5\xAF\x86\xE7\xA0\x81",
     "\xE5\xAF\x86\xE7\xA2\xBC", "\xE3\x83\x91\xE3\x82\xB9\xE3\x83\xAF\xE3\x83\xBC\xE3\x83\x89",
     "\xE6\x9A\x97\xE8\xA8\xBC\xE7\x95\xAA\xE5\x8F\xB7",
     "\xEB\xB9\x84\xEB\xB0\x80\xEB\xB2\x88\xED\x98\xB8",
     "\xD9\x83\xD9\x84\xD9\x85\xD8\xA9\xD8\xA7\xD9\x84\xD9\x85\xD8\xB1\xD9\x88\xD8\xB1"});
// Short ones count as whole words only: "pin", and not "shipping".
constexpr auto short_words = std::to_array<std::string_view>({"pin", "pins", "token", "otp"});

std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte) != 0) out += static_cast<char>(std::tolower(byte));
  }
  return out;
}

bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && std::isalpha(static_cast<unsigned char>(text[end])) != 0) ++end;
    if (folded(text.substr(at, end - at)) == word) return true;
    at = std::max(end, at + 1);
  }
  return false;
}

bool is_credential(std::string_view text) {
  if (text.size() > 256) text = text.substr(0, 256);
  const std::string plain = folded(text);
  const auto told = [&](std::string_view word) {
    return word.size() > 5 ? plain.contains(word) : has_word(text, word);
  };
  return std::ranges::any_of(credentials, told) ||
         std::ranges::any_of(short_words,
                             [&](std::string_view word) { return has_word(text, word); });
}

std::optional<std::string> of_form(json::Value schema) {
  std::size_t fields = 0;
  for (const json::Member member : schema["properties"].members()) {
    if (++fields > most_fields) return "its form has too many fields";
    if (is_credential(member.key) || is_credential(member.value["title"].text_or({})) ||
        member.value["format"].text_or({}) == "password")
      return std::format("it asks a person for a credential: {}",
                         base::printable(member.key.substr(0, 64)));
    // A description may warn of passwords; one that begins with it asks for it.
    const std::string_view words = member.value["description"].text_or({});
    if (is_credential(words.substr(0, words.find_first_of(" .,:;(") == std::string_view::npos
                                          ? words.size()
                                          : words.find_first_of(".,:;("))) &&
        words.size() < 48)
      return std::format("it asks a person for a credential: {}",
                         base::printable(member.key.substr(0, 64)));
  }
  return std::nullopt;
}

std::optional<std::string> of_address(std::string_view url) {
  constexpr std::string_view scheme = "https://";
  if (!url.starts_with(scheme)) return "it shows a page that is not https";
  const std::string_view rest = url.substr(scheme.size());
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#\\"));
  if (url.contains('\\')) return "it shows a page at an address that programs read differently";
  if (host.empty()) return "it shows a page without a host";
  if (host.contains('@')) return "it shows a page with credentials in its address";
  const auto odd = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.' && c != ':';
  };
  if (std::ranges::any_of(host, odd)) return "it shows a page at a name that may look like another";
  for (std::size_t at = 0; at < host.size(); ++at)
    if ((at == 0 || host[at - 1] == '.') && host.substr(at).starts_with("xn--"))
      return "it shows a page at a name that may look like another";
  const std::string_view name = host.substr(0, host.find(':'));
  const std::string_view last = name.substr(name.rfind('.') + 1);
  if (!name.contains('.') || std::ranges::all_of(last, [](char c) {
        return std::isdigit(static_cast<unsigned char>(c)) != 0;
      }))
    return "it shows a page at an address without a name";
  if (std::ranges::any_of(url, [](char c) { return static_cast<unsigned char>(c) <= 0x20; }))
    return "it shows a page at an address with blanks";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> objection(std::string_view method, json::Value params,
                                     const Findings& found) {
  const bool asks = method == "elicitation/create";
  if (!asks && method != "sampling/createMessage") return std::nullopt;
  // A form speaks to a person, and of people a model says that they are told what to do.
  const auto orders = [&](const Finding& finding) {
    return finding.kind == FindingKind::instruction && finding.severity >= Severity::medium &&
           (!finding.rule.starts_with("model-") ||
            (!asks && finding.confidence >= Confidence::likely));
  };
  if (std::ranges::any_of(found.items, orders))
    return asks ? "its words give orders to a model" : "it gives orders to the client's model";
  if (found.has(FindingKind::hidden_text, Severity::medium)) return "it hides text";
  if (!asks) return std::nullopt;
  if (params["url"].exists()) return of_address(params["url"].text_or({}));
  return of_form(params["requestedSchema"]);
}

}  // namespace latticegate::inspect
