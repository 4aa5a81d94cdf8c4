#include "audit/packed.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace latticegate;
using audit::PackedChunk;

namespace {

std::vector<std::string> pieces() {
  std::vector<std::string> all{"header"};
  for (const std::size_t size : {1UZ, 100UZ, 65'536UZ, 262'144UZ}) {
    std::string piece;
    for (std::size_t i = 0; piece.size() < size; ++i) piece += std::to_string(i * i % 9973) + ",";
    piece.resize(size);
    all.push_back(piece);
  }
  all.emplace_back(audit::packed_chunk_limit.count, 'z');
  return all;
}

std::string packed(const std::vector<std::string>& all) {
  audit::SegmentPacker packer;
  std::string out;
  for (const std::string& piece : all) packer.add(piece, out);
  packer.finish(out);
  return out;
}

// What a reader makes of the bytes; nothing when it refuses any of them.
std::optional<std::string> unpacked(std::string_view file) {
  const auto size = audit::packed_index_size(
      file.substr(file.size() - std::min(file.size(), audit::packed_tail_size)), file.size());
  if (!size) return std::nullopt;
  const auto chunks = audit::read_packed_index(file.substr(file.size() - *size), file.size());
  if (!chunks) return std::nullopt;
  audit::SegmentUnpacker unpacker;
  std::string all;
  std::string plain;
  for (const PackedChunk& chunk : *chunks) {
    CHECK(chunk.plain_at == all.size());
    if (!unpacker.unpack(chunk, file.substr(chunk.at, chunk.size), plain)) return std::nullopt;
    all += plain;
  }
  return all;
}

}  // namespace

TEST_CASE("what is packed is unpacked, each chunk alone") {
  const auto all = pieces();
  const std::string file = packed(all);
  std::string whole;
  for (const std::string& piece : all) whole += piece;
  CHECK(unpacked(file) == whole);
  CHECK(file.size() < whole.size() / 2);
}

TEST_CASE("each byte of a packed segment counts") {
  const std::string file = packed({"header", "a few bytes, a few bytes, a few bytes", "the end"});
  for (std::size_t at = 0; at < file.size(); ++at)
    for (const int bit : {1, 2, 4, 8, 16, 32, 64, 128}) {
      std::string other = file;
      other[at] = static_cast<char>(other[at] ^ bit);
      CAPTURE(at);
      CHECK_FALSE(unpacked(other).has_value());
    }
  for (std::size_t size = 0; size < file.size(); ++size)
    CHECK_FALSE(unpacked(std::string_view(file).substr(0, size)).has_value());
  CHECK_FALSE(unpacked(file + '\0').has_value());
  CHECK_FALSE(unpacked(file + file).has_value());
}

TEST_CASE("an index that promises more than may be is refused") {
  std::string file = packed({"header", "x"});
  CHECK_FALSE(audit::packed_index_size("", 0).has_value());
  CHECK_FALSE(audit::packed_index_size(std::string(8, '\0'), 1000).has_value());
  CHECK_FALSE(audit::packed_index_size(std::string(8, '\xFF'), UINT64_MAX).has_value());
  CHECK_FALSE(audit::packed_index_size(file.substr(file.size() - 8), 30).has_value());
  CHECK_FALSE(audit::read_packed_index("", 0).has_value());
}
