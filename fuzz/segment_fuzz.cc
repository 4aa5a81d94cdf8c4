// The audit log: whatever bytes a segment holds, the valid part is read and the end is told;
// whatever text a record carries, its leaf is canonical JSON within its limit; whatever a query
// says, it is understood or refused.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/packed.h"
#include "audit/query.h"
#include "audit/record.h"
#include "audit/segment.h"
#include "base/result.h"
#include "json/value.h"
#include "json/write.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace latticegate;

void read_segment(std::string_view bytes) {
  auto reader = audit::SegmentReader::open(bytes);
  if (!reader) return;
  std::string again;
  const std::uint64_t start = reader->valid();
  while (const auto entry = reader->next()) {
    base::check(entry->leaf.size() <= audit::leaf_limit.count, "a leaf keeps within its limit");
    audit::write_frame(entry->leaf, again);
  }
  base::check(bytes.substr(start, reader->valid() - start) == again,
              "what is read is what was written");
  base::check((reader->stop() == audit::Stop::end) == (reader->valid() == bytes.size()),
              "the end is told where it is");
}

// A packed segment gives its bytes back, and no bytes are taken for one that are none.
void unpack(std::string_view bytes) {
  audit::SegmentUnpacker unpacker;
  std::string plain;
  const auto tail = bytes.substr(bytes.size() - std::min(bytes.size(), audit::packed_tail_size));
  if (const auto size = audit::packed_index_size(tail, bytes.size()))
    if (const auto chunks =
            audit::read_packed_index(bytes.substr(bytes.size() - *size), bytes.size()))
      for (const audit::PackedChunk& chunk : *chunks)
        if (unpacker.unpack(chunk, bytes.substr(chunk.at, chunk.size), plain))
          base::check(plain.size() == chunk.plain_size, "a chunk is as long as its index says");
  if (bytes.empty() || bytes.size() > audit::packed_chunk_limit.count) return;
  audit::SegmentPacker packer;
  std::string packed;
  packer.add(bytes, packed);
  packer.finish(packed);
  const auto& chunk = packer.chunks().front();
  base::check(
      unpacker.unpack(chunk, std::string_view(packed).substr(0, chunk.size), plain).has_value() &&
          plain == bytes,
      "what is packed is unpacked");
}

void write_record(std::string_view text) {
  const std::vector<std::string_view> list(text.size() % 97, text.substr(text.size() / 2));
  const std::vector<audit::Finding> findings(text.size() % 23, {.id = text, .path = text});
  audit::RecordWriter writer(text);
  const audit::Leaf leaf = writer.write({.type = audit::Type::call_decided,
                                         .agent = {.name = text},
                                         .error = text,
                                         .findings = findings,
                                         .rules = list,
                                         .tool = text,
                                         .why = text});
  const std::string whole = audit::with_seq(leaf, text.size());
  base::check(whole.size() <= audit::leaf_limit.count, "a leaf keeps within its limit");
  const auto document = json::Document::parse(whole, {.allow_nul = true});
  base::check(document.has_value() && json::canonical(document->root()) == whole,
              "a leaf is canonical");
}

void ask(std::string_view text) {
  const auto record = json::Document::parse(
      R"({"agent":{"ref":"a"},"findings":[{"id":"x"}],"rows_out":5,"time":"2026-11-22T13:00:00.5Z","tool":"t"})");
  const auto query = audit::Query::parse(text, base::Time(std::chrono::seconds(1'795'356'131)));
  if (!query) {
    base::check(!query.error().detail.empty(), "a refusal says why");
    return;
  }
  static_cast<void>(query->matches(record->root()));
  if (const auto document = json::Document::parse(text))
    static_cast<void>(query->matches(document->root()));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text =
      size == 0 ? "" : std::string_view(reinterpret_cast<const char*>(data), size);
  unpack(text);
  read_segment(text);
  write_record(text);
  ask(text);
  return 0;
}
