// Percent-encoding (RFC 3986) as forms have it (application/x-www-form-urlencoded).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace latticegate::base {

// Every byte but letters, digits and "-._~" as %XX.
std::string percent_encoded(std::string_view text);
// The reverse; "+" is a space. Nothing where two hexadecimal digits do not follow a "%".
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace latticegate::base
