#include "store/body_file.h"

#include <array>
#include <format>
#include <utility>

#include "crypto/crc32c.h"

namespace latticegate::store {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t head_size = 16;

void put_number(std::uint64_t number, std::size_t bytes, char* out) {
  for (std::size_t i = bytes; i-- > 0; number >>= 8U) out[i] = static_cast<char>(number & 0xFFU);
}
std::uint64_t number_in(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace

fs::path body_folder(const fs::path& log) { return log / "blob"; }
fs::path body_path(const fs::path& log, std::uint64_t segment) {
  return body_folder(log) / std::format("{:06}.bin", segment);
}

Result<void> BodyFile::resume(std::uint64_t segment, std::uint64_t next_seq) {
  begin(segment);
  auto reader = BodyReader::open(body_path(log_, segment));
  if (!reader) {
    if (reader.error().code == Code::not_found) return {};
    return std::unexpected(std::move(reader).error());
  }
  std::uint64_t good = 0;
  for (;;) {
    const auto frame = reader->next();
    if (!frame) return std::unexpected(frame.error());
    if (!*frame || (*frame)->seq >= next_seq) break;
    good = reader->valid();
  }
  return file_.resume(good);
}

void BodyFile::begin(std::uint64_t segment) {
  // One that is left from an attempt that failed holds nothing that a record refers to.
  file_ = GrowingFile(body_path(log_, segment), *files_);
  discard();
}

void BodyFile::discard() {
  out_.clear();
  frame_ = 0;
}

std::string& BodyFile::buffer() {
  frame_ = out_.size();
  out_.append(head_size, '\0');
  return out_;
}

void BodyFile::added(std::uint64_t seq) {
  char* const head = out_.data() + frame_;
  put_number(out_.size() - frame_ - head_size, 4, head + 4);
  put_number(seq, 8, head + 8);
  put_number(crypto::crc32c(base::bytes_of(std::string_view(out_).substr(frame_ + 4))), 4, head);
}

Result<void> BodyFile::commit() {
  if (out_.empty()) return {};
  return file_.append(std::exchange(out_, {}));
}

Result<BodyReader> BodyReader::open(const fs::path& path) {
  auto file = OpenFile::open(path);
  if (!file) return std::unexpected(std::move(file).error());
  const auto size = file->size();
  if (!size) return std::unexpected(size.error());
  return BodyReader(*std::move(file), *size);
}

Result<std::optional<BodyReader::Frame>> BodyReader::next() {
  const auto head = file_.read(offset_, head_size);
  if (!head) return std::unexpected(head.error());
  if (head->size() < head_size) return std::optional<Frame>();
  const Frame frame{.seq = number_in(std::string_view(*head).substr(8, 8)),
                    .offset = offset_ + head_size,
                    .size = number_in(std::string_view(*head).substr(4, 4))};
  if (frame.size == 0 || frame.size > envelope_limit.count ||
      size_ - offset_ - head_size < frame.size)
    return std::optional<Frame>();
  offset_ = frame.offset + frame.size;
  return std::optional<Frame>(frame);
}

Result<std::string> BodyReader::envelope(const Frame& frame) const {
  auto whole = file_.read(frame.offset - head_size, head_size + frame.size);
  if (!whole) return whole;
  const std::string_view bytes = *whole;
  if (bytes.size() != head_size + frame.size ||
      crypto::crc32c(base::bytes_of(bytes.substr(4))) != number_in(bytes.substr(0, 4)))
    return fail(Code::malformed, std::format("{}: the body of record {} is damaged",
                                             file_.path().string(), frame.seq));
  return whole->substr(head_size);
}

Result<std::string> find_envelope(const fs::path& log, std::uint64_t segment, std::uint64_t seq) {
  auto reader = BodyReader::open(body_path(log, segment));
  if (!reader) return std::unexpected(std::move(reader).error());
  for (;;) {
    const auto frame = reader->next();
    if (!frame) return std::unexpected(frame.error());
    if (!*frame || (*frame)->seq > seq) break;
    if ((*frame)->seq == seq) return reader->envelope(**frame);
  }
  return fail(Code::not_found, std::format("there is no body of record {} in {}", seq,
                                           body_path(log, segment).string()));
}

}  // namespace latticegate::store
