#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "audit/segment.h"

using namespace latticegate;
using audit::SegmentReader;
using audit::Stop;

namespace {

const audit::SegmentHeader header{
    .number = 12,
    .first = 1000,
    .origin = "acme/prod/node-1",
    .created = base::Time(std::chrono::milliseconds(1'795'356'131'123))};

std::string segment(int leaves) {
  std::string out = audit::write_header(header);
  for (int i = 0; i < leaves; ++i) {
    const std::string before = R"({"n":)" + std::to_string(i) + R"(,"seq":)";
    audit::write_frame(before + R"(,"v":1})", before.size(), 1000U + static_cast<unsigned>(i), out);
  }
  return out;
}

struct Read {
  std::vector<std::string> leaves;
  Stop stop{};
  std::uint64_t valid = 0;
  std::uint64_t next = 0;
};

Read read(std::string_view bytes) {
  auto reader = SegmentReader::open(bytes);
  REQUIRE(reader.has_value());
  Read result;
  while (const auto entry = reader->next()) {
    CHECK(entry->seq == 1000 + result.leaves.size());
    result.leaves.emplace_back(entry->leaf);
  }
  result.stop = reader->stop();
  result.valid = reader->valid();
  result.next = reader->next_seq();
  return result;
}

}  // namespace

TEST_CASE("a segment gives back its header and its leaves") {
  const std::string bytes = segment(3);
  const auto reader = SegmentReader::open(bytes);
  REQUIRE(reader.has_value());
  CHECK(reader->header().number == 12);
  CHECK(reader->header().first == 1000);
  CHECK(reader->header().origin == "acme/prod/node-1");
  CHECK(reader->header().created == header.created);
  const Read whole = read(bytes);
  CHECK(whole.leaves == std::vector<std::string>{R"({"n":0,"seq":1000,"v":1})",
                                                 R"({"n":1,"seq":1001,"v":1})",
                                                 R"({"n":2,"seq":1002,"v":1})"});
  CHECK(whole.stop == Stop::end);
  CHECK(whole.valid == bytes.size());
  CHECK(whole.next == 1003);
}

TEST_CASE("the bytes are those of docs/formats/audit-log.md") {
  std::string frame;
  audit::write_frame("{}", frame);
  CHECK(base::to_hex(base::bytes_of(frame)) == "c05f89ff000000027b7d");
  CHECK(audit::write_header(header).starts_with("LGAUDIT\x01"));
}

TEST_CASE("wherever a segment is cut, everything before is read and the place is told") {
  const std::string bytes = segment(4);
  std::vector<std::uint64_t> ends{audit::write_header(header).size()};
  for (auto reader = SegmentReader::open(bytes); reader->next();) ends.push_back(reader->valid());
  for (std::size_t size = ends.front(); size <= bytes.size(); ++size) {
    std::size_t complete = 0;
    while (complete + 1 < ends.size() && ends[complete + 1] <= size) ++complete;
    const Read part = read(std::string_view(bytes).substr(0, size));
    CHECK(part.leaves.size() == complete);
    CHECK(part.valid == ends[complete]);
    CHECK(part.stop == (size == ends[complete] ? Stop::end : Stop::cut));
    // The same with the reserved space of a crashed writer behind it.
    const Read padded = read(bytes.substr(0, size) + std::string(40'000, '\0'));
    CHECK(padded.leaves.size() == complete);
    CHECK(padded.valid == ends[complete]);
    if (size == ends[complete])
      CHECK(padded.stop == Stop::padding);
    else
      CHECK((padded.stop == Stop::checksum || padded.stop == Stop::length));
  }
  for (std::size_t size = 0; size < ends.front(); ++size)
    CHECK_FALSE(SegmentReader::open(std::string_view(bytes).substr(0, size)).has_value());
}

TEST_CASE("every single changed bit is found") {
  const std::string bytes = segment(3);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      auto reader = SegmentReader::open(changed);
      if (!reader) continue;
      int leaves = 0;
      while (reader->next()) ++leaves;
      CHECK(leaves < 3);
      CHECK_FALSE(reader->clean());
      CHECK(reader->valid() <= i);
    }
}

TEST_CASE("lengths are bounded before anything is believed") {
  const std::string start = audit::write_header(header);
  const auto stop = [&](std::string_view tail) { return read(start + std::string(tail)).stop; };
  CHECK(stop(std::string_view("\0\0\0\1\0\0\0\0", 8)) == Stop::length);
  CHECK(stop(std::string_view("\0\0\0\1\xFF\xFF\xFF\xFF", 8)) == Stop::length);
  CHECK(stop(std::string_view("\0\0\0\1\0\0\x40\1", 8)) == Stop::length);
  CHECK(stop(std::string_view("\0\0\0\1\0\0\x40\0", 8)) == Stop::cut);
  CHECK(stop(std::string_view("\0\0\0\0\0\0\0\0x", 9)) == Stop::length);
  CHECK(stop(std::string_view("\0\0\0", 3)) == Stop::padding);
  CHECK(stop(std::string_view("\0\0\1", 3)) == Stop::cut);
  std::string out = start;
  audit::write_frame(std::string(audit::leaf_limit.count, 'x'), out);
  CHECK(read(out).leaves.size() == 1);
}

TEST_CASE("a leaf's hash is that of RFC 9162") {
  // SHA-256 of the single byte 0x00: the hash of the empty leaf, as in the published Merkle tree
  // vectors.
  CHECK(crypto::to_hex(audit::leaf_hash("")) ==
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  CHECK(audit::commitment(base::bytes_of("salt"), "text") == crypto::sha256("salttext"));
}
