// Texts of JSON and its formats as the exact numbers that Cedar has for them, or nothing: never
// rounded, because a limit that a rounded number does not pass could be passed by the real one.
//
// Input is hostile; all of it is bounded and allocates nothing.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace latticegate::policy {

// A JSON number as a decimal, times 10,000: "5", "5.25", "5e-3".
std::optional<std::int64_t> exact_decimal(std::string_view digits);

// RFC 3339: "2026-01-02" and "2026-01-02T03:04:05.678+01:00", as milliseconds since 1970. Finer
// fractions must be zero; there is no second 60.
std::optional<std::int64_t> exact_date(std::string_view text);
std::optional<std::int64_t> exact_time(std::string_view text);

// ISO 8601: "P1DT2H30M", "P2W", as milliseconds. Years and months have no exact length.
std::optional<std::int64_t> exact_duration(std::string_view text);

}  // namespace latticegate::policy
