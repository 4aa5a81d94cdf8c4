#include "audit/segment.h"

#include <algorithm>
#include <format>
#include <utility>

#include "crypto/crc32c.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::string_view magic{"LGAUDIT\x01", 8};

// Numbers in frames are big-endian, as in every other file of the log.
void put_u32(char* at, std::uint32_t number) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(number >> (24 - 8 * i) & 0xFF);
}

std::uint32_t get_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i)
    number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

// Completes the frame that begins at `start` of out and runs to its end: length first, then the
// checksum over both.
void finish_frame(std::size_t start, std::string& out) {
  const std::size_t length = out.size() - start - frame_overhead;
  base::check(length > 0 && length <= leaf_limit.count, "a leaf keeps within its limit");
  put_u32(&out[start + 4], static_cast<std::uint32_t>(length));
  put_u32(&out[start], crypto::crc32c(base::bytes_of(std::string_view(out).substr(start + 4))));
}

std::size_t write_digits(std::uint64_t number, char* out) {
  std::array<char, 20> reversed{};
  std::size_t count = 0;
  do {
    reversed[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  for (std::size_t i = 0; i < count; ++i) out[i] = reversed[count - 1 - i];
  return count;
}

std::optional<std::uint64_t> whole(json::Value value) {
  const auto number = value.integer();
  if (!number || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

}  // namespace

std::string_view name(Stop stop) {
  switch (stop) {
    case Stop::end: return "end";
    case Stop::padding: return "padding";
    case Stop::cut: return "cut";
    case Stop::length: return "length";
    case Stop::checksum: return "checksum";
  }
  std::unreachable();
}

std::string write_header(const SegmentHeader& header) {
  std::string leaf;
  json::Writer(leaf)
      .begin_object()
      .member("created", base::to_rfc3339(header.created))
      .member("created_ms", base::to_unix_ms(header.created))
      .member("first", static_cast<std::int64_t>(header.first))
      .member("number", static_cast<std::int64_t>(header.number))
      .member("origin", header.origin)
      .member("v", std::int64_t{1})
      .end_object();
  base::check(leaf.size() <= header_limit.count, "a segment's origin is short");
  std::string out(magic);
  write_frame(leaf, out);
  return out;
}

void write_frame(std::string_view leaf, std::string& out) {
  const std::size_t start = out.size();
  out.append(frame_overhead, '\0').append(leaf);
  finish_frame(start, out);
}

void write_frame(std::string_view leaf, std::size_t seq_at, std::uint64_t seq, std::string& out) {
  std::array<char, 20> digits{};
  const std::size_t count = write_digits(seq, digits.data());
  const std::size_t start = out.size();
  out.append(frame_overhead, '\0');
  out.append(leaf, 0, seq_at).append(digits.data(), count).append(leaf, seq_at);
  finish_frame(start, out);
}

Frame read_frame(std::string_view bytes) {
  if (bytes.empty()) return {.leaf = {}, .size = 0, .stop = Stop::end};
  if (bytes.size() < frame_overhead) {
    const bool zeros = bytes.find_first_not_of('\0') == std::string_view::npos;
    return {.leaf = {}, .size = 0, .stop = zeros ? Stop::padding : Stop::cut};
  }
  const std::uint32_t length = get_u32(bytes, 4);
  if (length == 0 && get_u32(bytes, 0) == 0) {
    const bool zeros = bytes.find_first_not_of('\0') == std::string_view::npos;
    return {.leaf = {}, .size = 0, .stop = zeros ? Stop::padding : Stop::length};
  }
  if (length == 0 || length > leaf_limit.count)
    return {.leaf = {}, .size = 0, .stop = Stop::length};
  if (bytes.size() - frame_overhead < length) return {.leaf = {}, .size = 0, .stop = Stop::cut};
  if (crypto::crc32c(base::bytes_of(bytes.substr(4, 4 + length))) != get_u32(bytes, 0))
    return {.leaf = {}, .size = 0, .stop = Stop::checksum};
  return {.leaf = bytes.substr(frame_overhead, length), .size = frame_overhead + length};
}

std::size_t frame_size(std::string_view bytes) { return frame_overhead + get_u32(bytes, 4); }

Result<HeaderFound> read_header(std::string_view bytes) {
  if (!bytes.starts_with(magic))
    return fail(Code::malformed, bytes.starts_with(magic.substr(0, 7))
                                     ? "a segment of a newer version"
                                     : "no segment of an audit log");
  const Frame frame = read_frame(bytes.substr(magic.size()));
  if (!frame.leaf)
    return fail(Code::malformed,
                std::format("the segment's header is damaged ({})", name(frame.stop)));
  const auto document = json::Document::parse(*frame.leaf, {.size = header_limit, .depth = 2});
  if (!document) return std::unexpected(base::Error(document.error()));
  const json::Value root = document->root();
  const auto number = whole(root["number"]);
  const auto first = whole(root["first"]);
  const auto created = root["created_ms"].integer();
  const auto origin = root["origin"].string();
  constexpr std::int64_t last_ms = 9'000'000'000'000;  // 2255; keeps nanoseconds within 64 bits
  if (root["v"].integer() != 1 || !number || !first || !origin || !created || *created < 0 ||
      *created > last_ms)
    return fail(Code::malformed, "the segment's header lacks a field");
  return HeaderFound{.header = {.number = *number,
                                .first = *first,
                                .origin = std::string(*origin),
                                .created = base::Time(std::chrono::milliseconds(*created))},
                     .size = magic.size() + frame.size};
}

Result<SegmentReader> SegmentReader::open(std::string_view bytes) {
  auto found = read_header(bytes);
  if (!found) return std::unexpected(std::move(found).error());
  return SegmentReader(bytes, *std::move(found));
}

std::optional<Entry> SegmentReader::next() {
  const Frame frame = read_frame(bytes_.substr(offset_));
  if (!frame.leaf) {
    stop_ = frame.stop;
    return std::nullopt;
  }
  const Entry entry{.seq = seq_, .offset = offset_, .leaf = *frame.leaf};
  offset_ += frame.size;
  ++seq_;
  return entry;
}

crypto::Digest leaf_hash(std::string_view leaf) {
  thread_local crypto::Sha256 hash;  // a scratch context: holds nothing between two calls
  return hash.update(std::string_view("\0", 1)).update(leaf).finish();
}

crypto::Digest commitment(base::ByteView salt, std::string_view text) {
  thread_local crypto::Sha256 hash;
  return hash.update(salt).update(text).finish();
}

}  // namespace latticegate::audit
