// Approval link: the address at which one person can answer one request for an approval, signed, so
// that having it is the right to answer. It is told to that person's alert channel, and to nobody
// else: never to the client that waits.
//
//   https://gate.example/approvals/a-1f0a93b24c5d?by=ana&until=1796040131&sig=6f1c...
//
// `sig` is an HMAC-SHA256, in hexadecimal, over all of it and for this purpose only. Good until the
// request ends; the request itself is answered once. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace latticegate::gateway {

inline constexpr std::string_view approval_path = "/approvals/";

struct ApprovalLink {
  std::string request;  // "a-1f0a93b24c5d"
  std::string by;       // who answers with it
  base::Time until{};   // seconds count
};

// `address`: "https://gate.example".
std::string approval_link(std::string_view address, const ApprovalLink& link, std::string_view key);
// Of a request's target (path and query). Code::forbidden for one that this key did not sign, and
// Code::timeout for one whose time is over.
[[nodiscard]] base::Result<ApprovalLink> read_approval_link(std::string_view target,
                                                            std::string_view key, base::Time now);

}  // namespace latticegate::gateway
