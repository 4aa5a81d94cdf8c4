#include "gateway/approval_link.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <optional>

#include "base/percent.h"
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
  return std::format("{}{}{}?by={}&until={}&sig={}", address, approval_path,
                     base::percent_encoded(link.request), base::percent_encoded(link.by), until,
                     signature(link.request, link.by, until, key));
}

base::Result<ApprovalLink> read_approval_link(std::string_view target, std::string_view key,
                                              base::Time now) {
  const auto refused = [] { return fail(Code::forbidden, "this link is not one of ours"); };
  const std::size_t question = target.find('?');
  if (target.size() > longest || !target.starts_with(approval_path) ||
      question == std::string_view::npos)
    return refused();
  const auto request =
      base::percent_decoded(target.substr(approval_path.size(), question - approval_path.size()));
  std::optional<std::string> by;
  std::string_view signed_as;
  std::optional<std::int64_t> until;
  for (std::string_view rest = target.substr(question + 1); !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    if (part.starts_with("by=")) {
      by = base::percent_decoded(part.substr(3));
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
