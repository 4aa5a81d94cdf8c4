// Where an argument points to, if it is a URL: the host, and its address when the host is one
// literally.
//
// Names are not resolved: what a name means at the moment of the fetch only the fetcher knows, so a
// rule against private addresses is written `unless { context.derived has destIp && ... }`.
//
// Programs disagree about URLs (backslashes, credentials before the host, missing slashes, escapes
// and full-width letters in the host, octal addresses). What two of them could read differently has
// no host here: `certain` is false. Addresses written as 0x7f000001, 2130706433 or 127.1, and
// IPv4-mapped IPv6 addresses, come out as the IPv4 address that they mean.
//
// Posture: hostile text. Linear in the size of scheme and authority.
#pragma once
#include <optional>
#include <string_view>

#include "cedar/arena.h"
#include "cedar/value.h"

namespace latticegate::policy {

struct Destination {
  bool certain = false;
  std::string_view host;  // lower case, without brackets and trailing dot
  std::optional<cedar::IpRange> ip;
};

// Whether a text is a URL with an authority: http, https, ws, wss and ftp in every spelling that
// browsers accept, other schemes with "://".
bool looks_like_url(std::string_view text);

// Of a text that looks like a URL.
Destination destination_of(std::string_view url, cedar::Arena& arena);

// An address as text: dotted IPv4, or IPv6 with or without an embedded IPv4 part. IPv4-mapped IPv6
// becomes IPv4.
std::optional<cedar::IpRange> address_in(std::string_view text);

}  // namespace latticegate::policy
