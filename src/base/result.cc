#include "base/result.h"

#include <cstdio>
#include <cstdlib>
#include <format>
#include <print>
#include <system_error>

namespace latticegate::base {

std::string_view name(Code code) {
  switch (code) {
    case Code::malformed: return "malformed";
    case Code::too_large: return "too_large";
    case Code::unsupported: return "unsupported";
    case Code::invalid: return "invalid";
    case Code::not_found: return "not_found";
    case Code::unauthenticated: return "unauthenticated";
    case Code::forbidden: return "forbidden";
    case Code::conflict: return "conflict";
    case Code::timeout: return "timeout";
    case Code::closed: return "closed";
    case Code::unavailable: return "unavailable";
    case Code::overloaded: return "overloaded";
    case Code::cancelled: return "cancelled";
    case Code::io: return "io";
    case Code::crypto: return "crypto";
    case Code::internal: return "internal";
  }
  std::unreachable();
}

std::unexpected<Error> within(std::string_view context, Error error) {
  error.detail =
      error.detail.empty() ? std::string(context) : std::format("{}: {}", context, error.detail);
  return std::unexpected<Error>(std::move(error));
}

std::string describe(const Error& error) {
  if (error.detail.empty()) return std::string(name(error.code));
  return error.detail;
}

std::string os_reason(int number) { return std::generic_category().message(number); }

void check(bool condition, std::string_view sentence, std::source_location where) {
  if (condition) [[likely]]
    return;
  std::println(stderr, "latticegate: broken invariant at {}:{}: {}", where.file_name(),
               where.line(), sentence);
  std::abort();
}

}  // namespace latticegate::base
