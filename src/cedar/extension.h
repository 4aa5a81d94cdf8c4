// The four extension types as text: what decimal("1.5"), ip("10.0.0.0/8"),
// datetime("2026-01-02T03:04:05Z") and duration("1h30m") accept, exactly as Cedar 4.5 does. Input
// is untrusted; all of it is bounded and allocates nothing. Covered by fuzz/cedar_fuzz.cc (literals
// in policies).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cedar/value.h"

namespace latticegate::cedar {

// The value times 10,000; one to four fraction digits.
std::optional<std::int64_t> parse_decimal(std::string_view text);
// An IPv4 or IPv6 address with an optional prefix length; no embedded IPv4, no zone.
std::optional<IpRange> parse_ip(std::string_view text);
// Milliseconds since 1970. A day, or a second with Z or an offset, optionally with exactly three
// fraction digits.
std::optional<std::int64_t> parse_datetime(std::string_view text);
// Milliseconds: "-1d2h3m4s5ms", each part optional, at least one.
std::optional<std::int64_t> parse_duration(std::string_view text);

// Text that parses to the same value again. A datetime outside the years 0000 to 9999 has no such
// text; it is then written as an offset from 1970: datetime("1970-01-01").offset(duration("...")).
std::string decimal_text(std::int64_t ten_thousandths);
std::string ip_text(const IpRange& range);
std::string duration_text(std::int64_t milliseconds);
// As a Cedar expression, because years outside 0000 to 9999 have no literal:
// datetime("2026-01-02T03:04:05.000Z") or datetime("1970-01-01").offset(duration("...")).
std::string datetime_text(std::int64_t milliseconds);

// Cedar's isInRange: same family, and all addresses of `range` lie in `outer`.
bool in_range(const IpRange& range, const IpRange& outer);
bool is_loopback(const IpRange& range);
bool is_multicast(const IpRange& range);

}  // namespace latticegate::cedar
