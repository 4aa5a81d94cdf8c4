#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <optional>

#include "config/detail/parts.h"

namespace latticegate::config::detail {
namespace {

using base::Code;
using base::fail;

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

bool is_ip(int family, const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  return ::inet_pton(family, text.c_str(), ignored.data()) == 1;
}

// Takes "host:port" or "[ipv6]:port" apart; the port may be absent.
struct HostPort {
  std::string host;
  std::string_view port;
  bool bracketed = false;
  bool has_port = false;
};
std::optional<HostPort> split(std::string_view text) {
  HostPort out;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    out.bracketed = true;
    out.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return std::nullopt;
  } else {
    const std::size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    text.remove_prefix(std::min(colon, text.size()));
  }
  if (!text.empty()) {
    out.has_port = true;
    out.port = text.substr(1);
  }
  return out;
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '-' || host.front() == '.' ||
      host.back() == '.')
    return false;
  return !host.contains("..") && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

// What may stand in a request target as it is.
bool is_target(std::string_view text) {
  constexpr std::string_view marks = "-._~!$&'()*+,;=:@/?%";
  return std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           marks.contains(c);
  });
}

}  // namespace

base::Result<Address> parse_address(std::string_view text) {
  const auto parts = split(text);
  const auto port = parts && parts->has_port ? port_of(parts->port) : std::nullopt;
  if (!port)
    return fail(
        Code::invalid,
        std::format("expected an address such as 127.0.0.1:8443 or [::1]:8443, found \"{}\"",
                    text));
  const bool good = parts->bracketed ? is_ip(AF_INET6, parts->host)
                                     : parts->host == "localhost" || is_ip(AF_INET, parts->host);
  if (!good)
    return fail(Code::invalid,
                std::format("\"{}\" is no IP address and not localhost{}", parts->host,
                            parts->host.empty() ? "; 0.0.0.0 listens everywhere" : ""));
  return Address{parts->host, *port};
}

base::Result<Http> parse_url(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::invalid, std::format("\"{}\" {}", text, why));
  };
  Http out;
  const std::size_t colon = std::min(text.find("://"), text.size());
  const std::string scheme = lowered(text.substr(0, colon));
  if (scheme != "https" && scheme != "http")
    return bad("is not a URL: it begins with https:// or http://");
  out.tls = scheme == "https";
  std::string_view rest = text.substr(std::min(colon + 3, text.size()));
  // Never shown: what stands before the @ may be a password.
  if (rest.contains('@') && rest.find('@') < std::min(rest.find('/'), rest.find('?')))
    return fail(Code::invalid,
                "a user name or password in the URL; a credential goes under `credential`");
  if (rest.contains('#')) return bad("has a fragment (#), which no server sees");
  const std::size_t slash = std::min(rest.find('/'), rest.find('?'));
  const std::string_view authority = rest.substr(0, slash);
  rest.remove_prefix(authority.size());
  if (authority.contains('@'))
    return bad("holds a user name; a credential goes under `credential`");
  const auto parts = split(authority);
  if (!parts) return bad("has no host");
  out.host = lowered(parts->host);
  if (parts->bracketed ? !is_ip(AF_INET6, out.host) : !is_host_name(out.host))
    return bad("has no valid host");
  out.port = out.tls ? 443 : 80;
  if (parts->has_port) {
    const auto port = port_of(parts->port);
    if (!port || *port == 0) return bad("has no valid port");
    out.port = *port;
  }
  out.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  if (!is_target(out.target))
    return bad("has characters in its path that have to be percent-encoded");
  const std::string host = parts->bracketed ? std::format("[{}]", out.host) : out.host;
  const bool usual = out.port == (out.tls ? 443 : 80);
  out.url = std::format("{}://{}{}{}", out.tls ? "https" : "http", host,
                        usual ? "" : std::format(":{}", out.port), out.target);
  return out;
}

}  // namespace latticegate::config::detail
