#include "store/recovery.h"

#include <algorithm>
#include <format>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "audit/segment.h"
#include "crypto/hash.h"
#include "json/value.h"
#include "store/query_reader.h"

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

// A tail is at most one batch and one header; a longer one is damage of another kind, but is put
// aside all the same.
constexpr std::uint64_t piece = std::uint64_t{1} * 1024 * 1024;

Result<void> make_folders(const std::filesystem::path& log) {
  std::error_code error;
  std::filesystem::create_directories(segment_folder(log), error);
  if (error)
    return fail(error == std::errc::no_space_on_device ? Code::unavailable : Code::io,
                std::format("cannot create {}: {}", segment_folder(log).string(), error.message()));
  // Names of agents and tools are nobody else's business.
  std::filesystem::permissions(segment_folder(log), std::filesystem::perms::owner_all, error);
  return {};
}

// The end of the last byte that is not zero, from the offset on; the offset itself when all are.
Result<std::uint64_t> end_of_bytes(const std::filesystem::path& path, std::uint64_t offset) {
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  std::string bytes(piece, '\0');
  std::uint64_t end = offset;
  for (std::uint64_t at = offset; in; at += piece) {
    in.read(bytes.data(), static_cast<std::streamsize>(piece));
    const std::string_view got(bytes.data(), static_cast<std::size_t>(in.gcount()));
    if (const auto last = got.find_last_not_of('\0'); last != std::string_view::npos)
      end = at + last + 1;
  }
  if (in.bad()) return fail(Code::io, std::format("cannot read {}", path.string()));
  return end;
}

struct Aside {
  std::string file;  // name
  std::string sha256;
};

// Copies [from, to) of a segment's file into a new file beside it and makes it durable.
Result<Aside> put_aside(const std::filesystem::path& path, std::uint64_t from, std::uint64_t to,
                        Files& files) {
  const std::string stem = path.stem().string();
  std::unique_ptr<File> out;
  std::string name;
  // The name is taken when an earlier recovery was itself cut short.
  for (int attempt = 1; out == nullptr; ++attempt) {
    name = attempt == 1 ? std::format("{}.cut-{}", stem, from)
                        : std::format("{}.cut-{}.{}", stem, from, attempt);
    auto made = files.create(path.parent_path() / name);
    if (made)
      out = *std::move(made);
    else if (made.error().code != Code::conflict || attempt == 100)
      return std::unexpected(std::move(made).error());
  }
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(from));
  std::string bytes(piece, '\0');
  crypto::Sha256 hash;
  for (std::uint64_t at = from; at < to;) {
    in.read(bytes.data(), static_cast<std::streamsize>(std::min(piece, to - at)));
    const std::string_view got(bytes.data(), static_cast<std::size_t>(in.gcount()));
    if (got.empty()) return fail(Code::io, std::format("cannot read {}", path.string()));
    hash.update(got);
    if (auto done = out->write_all(got, at - from); !done)
      return std::unexpected(std::move(done).error());
    at += got.size();
  }
  if (auto done = out->sync(); !done) return std::unexpected(std::move(done).error());
  if (auto done = files.sync_folder(path.parent_path()); !done)
    return std::unexpected(std::move(done).error());
  return Aside{.file = name, .sha256 = crypto::to_hex(hash.finish())};
}

struct Walked {
  SegmentFile file;
  std::string last;  // the last leaf
};

Result<Walked> walk(const std::filesystem::path& path) {
  auto file = SegmentFile::open(path);
  if (!file) return std::unexpected(std::move(file).error());
  Walked walked{.file = *std::move(file), .last = {}};
  for (;;) {
    const auto entry = walked.file.next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry) return walked;
    walked.last.assign((*entry)->leaf);
  }
}

Result<void> cut_tail(Recovered& found, const std::filesystem::path& path, Files& files) {
  const auto end = end_of_bytes(path, found.size);
  if (!end) return std::unexpected(end.error());
  if (*end > found.size) {
    auto aside = put_aside(path, found.size, *end, files);
    if (!aside) return std::unexpected(std::move(aside).error());
    found.cut_bytes += *end - found.size;
    found.cut_file = std::move(aside->file);
    found.cut_sha256 = std::move(aside->sha256);
  }
  auto file = files.open(path);
  if (!file) return std::unexpected(std::move(file).error());
  found.file = *std::move(file);
  if (auto done = found.file->truncate(found.size); !done) return done;
  return found.file->sync();
}

}  // namespace

Result<Recovered> recover(const std::filesystem::path& log, std::string_view origin, Files& files) {
  if (auto made = make_folders(log); !made) return std::unexpected(std::move(made).error());
  auto segments = list_segments(log);
  if (!segments) return std::unexpected(std::move(segments).error());
  Recovered found;
  std::optional<Walked> walked;
  while (!segments->empty() && !walked) {
    const std::filesystem::path& path = segments->back().path;
    auto read = walk(path);
    if (read) {
      walked.emplace(*std::move(read));
      break;
    }
    if (read.error().code != Code::malformed || segments->back().packed)
      return std::unexpected(std::move(read).error());
    // A header is durable before the first leaf is written, so a crash can spoil it only in a file
    // without leaves.
    const auto end = end_of_bytes(path, 0);
    if (!end) return std::unexpected(end.error());
    if (*end > audit::header_limit.count) return std::unexpected(std::move(read).error());
    auto aside = put_aside(path, 0, *end, files);
    if (!aside) return std::unexpected(std::move(aside).error());
    found.cut_bytes += *end;
    if (*end > 0) {
      found.cut_file = std::move(aside->file);
      found.cut_sha256 = std::move(aside->sha256);
    }
    if (auto removed = files.remove(path); !removed)
      return std::unexpected(std::move(removed).error());
    if (auto synced = files.sync_folder(path.parent_path()); !synced)
      return std::unexpected(std::move(synced).error());
    segments->pop_back();
  }
  if (!walked) return found;

  const std::filesystem::path& path = segments->back().path;
  const SegmentFile& file = walked->file;
  if (file.header().origin != origin)
    return fail(Code::conflict, std::format("{} is the log of \"{}\", not of \"{}\"", log.string(),
                                            file.header().origin, origin));
  if (file.header().number != segments->back().number)
    return fail(Code::malformed,
                std::format("{} says that it is segment {}", path.string(), file.header().number));
  found.segment = file.header().number;
  found.first = file.header().first;
  found.next_seq = file.next_seq();
  found.size = file.valid();
  if (!walked->last.empty()) {
    const auto leaf = json::Document::parse(walked->last);
    if (!leaf || leaf->root()["seq"].integer() != static_cast<std::int64_t>(found.next_seq - 1))
      return fail(Code::malformed, std::format("the last record of {} is not record {}",
                                               path.string(), found.next_seq - 1));
    found.last_type = leaf->root()["type"].text_or("");
  }
  // A packed one is complete: the log goes on in the next.
  if (file.packed()) return found;
  if (auto cut = cut_tail(found, path, files); !cut) return std::unexpected(std::move(cut).error());
  return found;
}

}  // namespace latticegate::store
