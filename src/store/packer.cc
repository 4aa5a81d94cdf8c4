#include "store/packer.h"

#include <format>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "audit/packed.h"
#include "audit/segment.h"
#include "store/body_file.h"
#include "store/detail/lock.h"
#include "store/detail/thread.h"
#include "store/query_reader.h"

namespace latticegate::store {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t chunk_size = std::size_t{256} * 1024;

fs::path unfinished_path(const fs::path& log) { return log / "segment.new"; }

// Writes the packed form of a segment; gives its chunks.
Result<std::vector<audit::PackedChunk>> write_packed(SegmentFile& from, const fs::path& to,
                                                     Files& files, const std::stop_token& stop) {
  auto file = files.create_anew(to);
  if (!file) return std::unexpected(std::move(file).error());
  audit::SegmentPacker packer;
  // Its own bytes: what was read is written again as it was read.
  std::string plain = audit::write_header(from.header());
  std::string out;
  std::uint64_t at = 0;
  const auto put = [&]() -> Result<void> {
    auto done = (*file)->write_all(out, at);
    at += out.size();
    out.clear();
    return done;
  };
  const auto add = [&]() -> Result<void> {
    if (stop.stop_requested()) return fail(Code::closed, "it was to stop");
    packer.add(plain, out);
    plain.clear();
    return put();
  };
  if (auto done = add(); !done) return std::unexpected(std::move(done).error());
  for (;;) {
    const auto entry = from.next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry) break;
    audit::write_frame((*entry)->leaf, plain);
    if (plain.size() < chunk_size) continue;
    if (auto done = add(); !done) return std::unexpected(std::move(done).error());
  }
  if (from.stop() != audit::Stop::end)
    return fail(Code::malformed, std::format("it does not read on at byte {} ({})", from.valid(),
                                             audit::name(from.stop())));
  if (!plain.empty())
    if (auto done = add(); !done) return std::unexpected(std::move(done).error());
  packer.finish(out);
  if (auto done = put(); !done) return std::unexpected(std::move(done).error());
  if (auto done = (*file)->sync(); !done) return std::unexpected(std::move(done).error());
  return packer.chunks();
}

// Whether the packed file has the bytes of the plain one, read from both.
Result<void> compare(const fs::path& plain, const fs::path& packed,
                     const std::vector<audit::PackedChunk>& chunks, const std::stop_token& stop) {
  const auto here = OpenFile::open(plain);
  if (!here) return std::unexpected(here.error());
  const auto there = OpenFile::open(packed);
  if (!there) return std::unexpected(there.error());
  const auto size = here->size();
  if (!size) return std::unexpected(size.error());
  if (*size != chunks.back().plain_at + chunks.back().plain_size)
    return fail(Code::malformed, "it has bytes that do not belong to it");
  audit::SegmentUnpacker unpacker;
  std::string unpacked;
  for (const audit::PackedChunk& chunk : chunks) {
    if (stop.stop_requested()) return fail(Code::closed, "it was to stop");
    const auto bytes = there->read(chunk.at, chunk.size);
    if (!bytes) return std::unexpected(bytes.error());
    if (auto done = unpacker.unpack(chunk, *bytes, unpacked); !done) return done;
    const auto wanted = here->read(chunk.plain_at, chunk.plain_size);
    if (!wanted) return std::unexpected(wanted.error());
    if (*wanted != unpacked) return fail(Code::malformed, "it is not what was packed");
  }
  return {};
}

}  // namespace

Result<void> pack_segment(const fs::path& log, std::uint64_t number, Files& files,
                          const std::stop_token& stop) {
  const fs::path plain = segment_path(log, number);
  const fs::path fresh = unfinished_path(log);
  std::error_code error;
  if (!fs::exists(plain, error)) return {};
  auto segment = SegmentFile::open(plain);
  if (!segment) return std::unexpected(std::move(segment).error());
  const auto work = [&]() -> Result<void> {
    const auto chunks = write_packed(*segment, fresh, files, stop);
    if (!chunks) return std::unexpected(chunks.error());
    if (auto same = compare(plain, fresh, *chunks, stop); !same) return same;
    // Retention may give it up meanwhile: then it stays given up.
    const auto lock = Lock::wait_for(segment_folder(log));
    if (!lock) return std::unexpected(lock.error());
    if (!fs::exists(plain, error)) return files.remove(fresh);
    if (auto done = files.rename(fresh, packed_path(log, number)); !done) return done;
    if (auto done = files.sync_folder(segment_folder(log)); !done) return done;
    return files.remove(plain);
  };
  auto done = work();
  if (!done) (void)files.remove(fresh).has_value();
  return done ? std::move(done) : base::within(plain.string(), std::move(done).error());
}

Packer::Packer(fs::path log, Files& files) : log_(std::move(log)), files_(files) {
  thread_ = quiet_thread([this](const std::stop_token& stop) { run(stop); });
}

Packer::~Packer() {
  thread_.request_stop();
  thread_.join();
}

void Packer::complete(std::uint64_t before) {
  {
    const std::scoped_lock lock(mutex_);
    before_ = before;
  }
  wake_.notify_one();
}

std::string Packer::trouble() const {
  const std::scoped_lock lock(mutex_);
  return trouble_;
}

void Packer::run(const std::stop_token& stop) {
  take_spare_time("audit-pack");
  (void)files_.remove(unfinished_path(log_)).has_value();  // of a process that was killed
  std::uint64_t done = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [&] { return before_ > done; })) return;
      done = before_;
    }
    pack(done, stop);
  }
}

void Packer::pack(std::uint64_t before, const std::stop_token& stop) {
  const auto segments = list_segments(log_);
  if (!segments) return;
  std::string trouble;
  for (const SegmentName& name : *segments) {
    if (name.number >= before || stop.stop_requested()) break;
    if (name.packed) continue;
    const auto packed = pack_segment(log_, name.number, files_, stop);
    if (!packed && packed.error().code != Code::closed) trouble = base::describe(packed.error());
    // With a full disk the others fare no better; the next segment is another chance.
    if (!packed && packed.error().code == Code::unavailable) break;
  }
  const std::scoped_lock lock(mutex_);
  trouble_ = std::move(trouble);
}

Result<LogSize> size_of(const fs::path& log) {
  const auto segments = list_segments(log);
  if (!segments) return std::unexpected(segments.error());
  LogSize size;
  std::error_code ignored;
  const auto bytes_of = [&](const fs::path& path) {
    const std::uintmax_t bytes = fs::file_size(path, ignored);
    return ignored ? 0 : static_cast<std::uint64_t>(bytes);
  };
  std::optional<SegmentFile> before;
  for (const SegmentName& name : *segments) {
    auto file = SegmentFile::open(name.path);
    if (!file) {
      before.reset();
      continue;
    }
    if (before && before->packed())
      size.packed_records += file->header().first - before->header().first;
    ++size.segments;
    const std::uint64_t taken = bytes_of(file->path());
    size.bytes += taken;
    if (file->packed()) {
      ++size.packed_segments;
      size.packed_bytes += taken;
      size.unpacked_bytes += file->unpacked_size();
    }
    size.body_bytes += bytes_of(body_path(log, name.number));
    before.emplace(*std::move(file));
  }
  for (fs::recursive_directory_iterator entry(log / "tile", ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    std::error_code unused;
    if (!entry->is_regular_file(unused)) continue;
    const bool bundle = entry->path().string().contains("/tile/entries/");
    (bundle ? size.bundle_bytes : size.tile_bytes) += entry->file_size(unused);
  }
  return size;
}

}  // namespace latticegate::store
