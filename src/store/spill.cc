#include "store/spill.h"

#include <format>
#include <system_error>
#include <utility>

#include "audit/segment.h"
#include "store/tree_writer.h"

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t place = 4;
constexpr std::size_t most = std::size_t{512} * 1024 * 1024;

}  // namespace

Result<std::vector<Spill::Kept>> Spill::read() const {
  std::vector<Kept> found;
  const auto bytes = read_file(path(), most);
  if (!bytes && bytes.error().code == Code::not_found) return found;
  if (!bytes) return std::unexpected(bytes.error());
  for (std::string_view rest = *bytes;;) {
    const audit::Frame frame = audit::read_frame(rest);
    if (!frame.leaf || frame.leaf->size() <= place) return found;
    std::uint32_t seq_at = 0;
    for (const char byte : frame.leaf->substr(0, place))
      seq_at = seq_at << 8U | static_cast<unsigned char>(byte);
    const std::string_view leaf = frame.leaf->substr(place);
    if (seq_at > leaf.size())
      return fail(Code::malformed, std::format("{} is no spill of ours", path().string()));
    found.push_back({.text = std::string(leaf), .seq_at = seq_at});
    rest.remove_prefix(frame.size);
  }
}

void Spill::add(audit::Leaf leaf) {
  std::string text(leaf.text);
  if (leaf.body_at != 0) audit::drop_body(text, leaf.body_at, leaf.seq_at);
  std::string framed;
  for (std::size_t i = place; i-- > 0;) framed += static_cast<char>(leaf.seq_at >> (8 * i) & 0xFFU);
  audit::write_frame(framed + text, out_);
}

Result<void> Spill::commit() {
  const std::string bytes = std::exchange(out_, {});
  if (bytes.empty()) return {};
  if (file_ == nullptr) {
    std::error_code ignored;  // then the file cannot be made, which is told
    std::filesystem::create_directories(folder_, ignored);
    auto made = files_->create_anew(path());
    if (!made) return std::unexpected(std::move(made).error());
    if (auto synced = files_->sync_folder(folder_); !synced) return synced;
    file_ = *std::move(made);
    size_ = 0;
  }
  if (auto done = file_->write_all(bytes, size_); !done) return done;
  if (auto done = file_->sync(); !done) return done;
  size_ += bytes.size();
  return {};
}

Result<void> Spill::clear() {
  file_ = nullptr;
  size_ = 0;
  out_.clear();
  return files_->remove(path());
}

}  // namespace latticegate::store
