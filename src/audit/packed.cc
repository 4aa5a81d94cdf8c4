#include "audit/packed.h"

#include <zstd.h>

#include "crypto/crc32c.h"

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::string_view skippable{"\x5A\x2A\x4D\x18", 4};
constexpr std::string_view magic{"LGPACK\0\1", 8};
constexpr std::size_t skippable_head = 8;
constexpr std::size_t entry_size = 12;
constexpr int level = 3;  // measured by bench.audit: the next ones cost twice as much for a tenth

void put_u32(std::uint32_t number, std::string& out) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(number >> (24 - 8 * i) & 0xFF);
}
std::uint32_t get_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i)
    number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}
// The head that makes the index a frame which decoders of zstd pass over.
std::string head_of(std::size_t rest) {
  std::string head(skippable);
  for (unsigned i = 0; i < 4; ++i) head += static_cast<char>(rest >> (8 * i) & 0xFFU);
  return head;
}
std::size_t index_size(std::size_t chunks) {
  return skippable_head + magic.size() + chunks * entry_size + packed_tail_size;
}

}  // namespace

void SegmentPacker::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
SegmentPacker::SegmentPacker() : context_(ZSTD_createCCtx()) {
  base::check(context_ != nullptr, "zstd makes a context");
}
SegmentPacker::~SegmentPacker() = default;

void SegmentPacker::add(std::string_view plain, std::string& out) {
  base::check(!plain.empty() && plain.size() <= packed_chunk_limit.count &&
                  chunks_.size() < packed_chunks_limit,
              "the chunks of a segment keep within their limits");
  const std::size_t begin = out.size();
  std::size_t size = 0;
  out.resize_and_overwrite(begin + ZSTD_compressBound(plain.size()),
                           [&](char* bytes, std::size_t room) {
                             size = ZSTD_compressCCtx(context_.get(), bytes + begin, room - begin,
                                                      plain.data(), plain.size(), level);
                             return ZSTD_isError(size) != 0 ? begin : begin + size;
                           });
  base::check(ZSTD_isError(size) == 0, "zstd compresses into the space that it asked for");
  PackedChunk chunk{.size = size, .plain_size = plain.size()};
  chunk.checksum = crypto::crc32c(base::bytes_of(std::string_view(out).substr(begin)));
  if (!chunks_.empty()) {
    chunk.at = chunks_.back().at + chunks_.back().size;
    chunk.plain_at = chunks_.back().plain_at + chunks_.back().plain_size;
  }
  chunks_.push_back(chunk);
}

void SegmentPacker::finish(std::string& out) {
  const std::size_t begin = out.size() + skippable_head;
  out += head_of(index_size(chunks_.size()) - skippable_head);
  out += magic;
  for (const PackedChunk& chunk : chunks_) {
    put_u32(static_cast<std::uint32_t>(chunk.size), out);
    put_u32(static_cast<std::uint32_t>(chunk.plain_size), out);
    put_u32(chunk.checksum, out);
  }
  put_u32(static_cast<std::uint32_t>(chunks_.size()), out);
  put_u32(crypto::crc32c(base::bytes_of(std::string_view(out).substr(begin))), out);
}

std::optional<std::size_t> packed_index_size(std::string_view tail, std::uint64_t file_size) {
  if (tail.size() != packed_tail_size) return std::nullopt;
  const std::uint32_t count = get_u32(tail, 0);
  if (count == 0 || count > packed_chunks_limit || index_size(count) > file_size)
    return std::nullopt;
  return index_size(count);
}

Result<std::vector<PackedChunk>> read_packed_index(std::string_view index,
                                                   std::uint64_t file_size) {
  const auto damaged = [] { return fail(Code::malformed, "the index of its chunks is damaged"); };
  if (index.size() < index_size(1) ||
      packed_index_size(index.substr(index.size() - packed_tail_size), file_size) != index.size() ||
      !index.starts_with(head_of(index.size() - skippable_head) + std::string(magic)))
    return damaged();
  const std::string_view covered = index.substr(skippable_head, index.size() - skippable_head - 4);
  if (crypto::crc32c(base::bytes_of(covered)) != get_u32(index, index.size() - 4)) return damaged();
  std::vector<PackedChunk> chunks;
  PackedChunk next;
  for (std::size_t at = skippable_head + magic.size(); at + packed_tail_size < index.size();
       at += entry_size) {
    next.size = get_u32(index, at);
    next.plain_size = get_u32(index, at + 4);
    next.checksum = get_u32(index, at + 8);
    if (next.size == 0 || next.plain_size == 0 || next.plain_size > packed_chunk_limit.count ||
        next.size > ZSTD_compressBound(next.plain_size))
      return damaged();
    chunks.push_back(next);
    next.at += next.size;
    next.plain_at += next.plain_size;
  }
  if (next.at + index.size() != file_size) return damaged();
  return chunks;
}

void SegmentUnpacker::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }
SegmentUnpacker::SegmentUnpacker() : context_(ZSTD_createDCtx()) {
  base::check(context_ != nullptr, "zstd makes a context");
}

Result<void> SegmentUnpacker::unpack(const PackedChunk& chunk, std::string_view bytes,
                                     std::string& plain) {
  plain.clear();
  if (bytes.size() != chunk.size || crypto::crc32c(base::bytes_of(bytes)) != chunk.checksum)
    return fail(Code::malformed, "a chunk is not as it was written");
  std::size_t got = 0;
  plain.resize_and_overwrite(chunk.plain_size, [&](char* out, std::size_t size) {
    got = ZSTD_decompressDCtx(context_.get(), out, size, bytes.data(), bytes.size());
    return ZSTD_isError(got) != 0 ? 0 : got;
  });
  if (ZSTD_isError(got) != 0 || got != chunk.plain_size) {
    plain.clear();
    return fail(Code::malformed, "a chunk cannot be unpacked");
  }
  return {};
}

}  // namespace latticegate::audit
