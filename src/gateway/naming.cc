#include "gateway/naming.h"

#include <algorithm>

#include "crypto/hash.h"

namespace latticegate::gateway {
namespace {

constexpr std::string_view mark = "__";
constexpr std::string_view scheme = "latticegate://";
constexpr std::size_t longest_prefix = 32;  // without the mark
constexpr std::size_t server_digits = 8;
constexpr std::size_t name_digits = 10;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// "..._0123456789": what every shortened name ends with, and no other.
bool looks_shortened(std::string_view name) {
  if (name.size() < name_digits + 1) return false;
  const std::string_view tail = name.substr(name.size() - name_digits - 1);
  return tail.front() == '_' && std::ranges::all_of(tail.substr(1), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string digits(std::string_view text, std::size_t count) {
  return crypto::to_hex(crypto::sha256(text)).substr(0, count);
}

// A prefix of this text alone could not be told from what follows it.
bool is_clear(std::string_view server) {
  return !server.contains(mark) && !server.ends_with('_') && server.size() <= longest_prefix &&
         std::ranges::all_of(server, is_plain);
}

}  // namespace

std::string prefix_of(std::string_view server) {
  if (is_clear(server)) return std::string(server) + std::string(mark);
  std::string out;
  for (const char c : server) {
    if (out.size() == longest_prefix - server_digits - 1) break;
    const char plain = is_plain(c) && c != '_' ? c : '-';
    if (plain != '-' || !out.ends_with('-')) out += plain;
  }
  if (!out.ends_with('-')) out += '-';
  return out + digits(server, server_digits) + std::string(mark);
}

std::string outward_name(std::string_view prefix, std::string_view name) {
  if (prefix.empty()) return std::string(name);
  std::string out(prefix);
  if (!name.empty() && prefix.size() + name.size() <= longest_name &&
      std::ranges::all_of(name, is_plain) && !looks_shortened(name))
    return out.append(name);
  for (const char c : name) {
    if (out.size() == longest_name - name_digits - 1) break;
    out += is_plain(c) ? c : '_';
  }
  return out + "_" + digits(name, name_digits);
}

std::optional<NameParts> parts_of(std::string_view name) {
  const std::size_t at = name.find(mark);
  if (at == std::string_view::npos || at == 0 || at + mark.size() == name.size())
    return std::nullopt;
  const std::string_view rest = name.substr(at + mark.size());
  return NameParts{name.substr(0, at + mark.size()), rest, looks_shortened(rest)};
}

std::string outward_uri(std::string_view server, std::string_view uri) {
  std::string out(scheme);
  out.reserve(scheme.size() + server.size() + 1 + uri.size());
  return out.append(server).append("/").append(uri);
}

std::optional<UriParts> uri_parts_of(std::string_view text) {
  if (!text.starts_with(scheme)) return std::nullopt;
  text.remove_prefix(scheme.size());
  const std::size_t at = text.find('/');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size()) return std::nullopt;
  return UriParts{text.substr(0, at), text.substr(at + 1)};
}

std::string outward_task(std::string_view server, std::string_view id) {
  return std::format("{}:{}", server, id);
}

std::optional<TaskParts> task_parts_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return TaskParts{text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace latticegate::gateway
