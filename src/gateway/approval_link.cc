#include "gateway/approval_link.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <optional>

#include "crypto/hash.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t longest = 1'024;

std::int64_t seconds_of(base::Time at) {
  return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}

std::string signature(std::string_view request, std::string_view by, std::int64_t until,
                      std::string_view key) {
  return crypto::to_hex(crypto::hmac_sha256(
      key, std::format("approval link\n{}\n{}\n{}\n{}", request.size(), request, by, until)));
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (plain)
      out += c;
    else
      out += std::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
    if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

// As many steps whatever the texts are.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned differ = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    differ |=
        static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  return differ == 0;
}

}  // namespace

std::string approval_link(std::string_view address, const ApprovalLink& link,
                          std::string_view key) {
  const std::int64_t until = seconds_of(link.until);
  return std::format("{}{}{}?by={}&until={}&sig={}", address, approval_path, escaped(link.request),
                     escaped(link.by), until, signature(link.request, link.by, until, key));
}

base::Result<ApprovalLink> read_approval_link(std::string_view target, std::string_view key,
                                              base::Time now) {
  const auto refused = [] { return fail(Code::forbidden, "this link is not one of ours"); };
  const std::size_t question = target.find('?');
  if (target.size() > longest || !target.starts_with(approval_path) ||
      question == std::string_view::npos)
    return refused();
  const auto request =
      unescaped(target.substr(approval_path.size(), question - approval_path.size()));
  std::optional<std::string> by;
  std::string_view signed_as;
  std::optional<std::int64_t> until;
  for (std::string_view rest = target.substr(question + 1); !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    if (part.starts_with("by=")) {
      by = unescaped(part.substr(3));
    } else if (part.starts_with("sig=")) {
      signed_as = part.substr(4);
    } else if (part.starts_with("until=")) {
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(part.data() + 6, part.data() + part.size(), number);
      if (error == std::errc() && end == part.data() + part.size()) until = number;
    }
  }
  constexpr std::int64_t far = 9'000'000'000;
  if (!request || !by || !until || *until < 0 || *until > far ||
      !same(signed_as, signature(*request, *by, *until, key)))
    return refused();
  if (seconds_of(now) >= *until)
    return fail(Code::timeout, "the time to answer this request is over");
  return ApprovalLink{*request, *by, base::Time(std::chrono::seconds(*until))};
}

}  // namespace latticegate::gateway
