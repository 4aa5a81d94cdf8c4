#include "gateway/cursor.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t tag_size = 16;

// Lengths keep the fields apart, whatever they contain.
crypto::Digest tag_of(const CursorBinding& binding, std::string_view payload) {
  std::string text = "cursor 1\n";
  for (const std::string_view part : {binding.principal, binding.door, binding.method, payload})
    text += std::format("{}:{}\n", part.size(), part);
  return crypto::hmac_sha256(binding.key, text);
}

// Takes as long for every wrong tag.
bool same(std::span<const std::byte> one, std::span<const std::byte> other) {
  std::byte difference{};
  for (std::size_t i = 0; i < one.size(); ++i) difference |= one[i] ^ other[i];
  return difference == std::byte{};
}

}  // namespace

std::string seal_cursor(const CursorBinding& binding, std::span<const Leg> legs) {
  std::string payload;
  json::Writer writer(payload);
  writer.begin_array();
  for (const Leg& leg : legs)
    writer.begin_array().string(leg.server).string(leg.cursor).end_array();
  writer.end_array();
  const crypto::Digest tag = tag_of(binding, payload);
  std::vector<std::byte> bytes(tag.begin(), tag.begin() + tag_size);
  const base::ByteView view = base::bytes_of(payload);
  bytes.insert(bytes.end(), view.begin(), view.end());
  return base::to_base64(bytes);
}

base::Result<std::vector<Leg>> open_cursor(const CursorBinding& binding, std::string_view text) {
  constexpr std::string_view sentence = "this cursor was not given to this caller for this list";
  if (text.size() > longest_cursor) return fail(Code::invalid, std::string(sentence));
  const auto bytes = base::from_base64(text);
  if (!bytes || bytes->size() < tag_size) return fail(Code::invalid, std::string(sentence));
  const std::string_view all(*bytes);
  const std::string_view payload = all.substr(tag_size);
  const crypto::Digest tag = tag_of(binding, payload);
  if (!same(std::span(tag).first<tag_size>(), base::bytes_of(all.substr(0, tag_size))))
    return fail(Code::invalid, std::string(sentence));
  const auto document = json::Document::parse(payload);
  if (!document) return fail(Code::invalid, std::string(sentence));
  std::vector<Leg> legs;
  for (const json::Value leg : document->root().elements())
    legs.push_back({std::string(leg.at(0).text_or({})), std::string(leg.at(1).text_or({}))});
  return legs;
}

}  // namespace latticegate::gateway
