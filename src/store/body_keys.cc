#include "store/body_keys.h"

#include <algorithm>
#include <format>
#include <system_error>
#include <utility>

#include "audit/envelope.h"
#include "store/secret_file.h"

namespace latticegate::store {
namespace {

namespace fs = std::filesystem;
using audit::DataKey;
using audit::KeyInfo;
using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t file_limit = 4096;

bool is_id(std::string_view text) {
  return text.size() == audit::body_key_id_size &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

fs::path BodyKeys::path_of(std::string_view id) const {
  return folder_ / id.substr(0, 2) / std::format("{}.key", id);
}

Result<BodyKeys> BodyKeys::open(fs::path folder, std::shared_ptr<const WrappingKeys> keks) {
  base::check(keks != nullptr && !keks->empty(), "data keys are wrapped by something");
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  if (error)
    return fail(Code::io, std::format("cannot create {}: {}", folder.string(), error.message()));
  return BodyKeys(std::move(folder), std::move(keks));
}

Result<std::vector<KeyInfo>> BodyKeys::list() const {
  std::vector<KeyInfo> found;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder_, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    if (path.extension() != ".key" || !is_id(path.stem().string())) continue;
    const auto text = read_secret_file(path, file_limit);
    if (!text) return std::unexpected(text.error());
    if (!*text) continue;
    auto info = audit::read_key_info((*text)->reveal());
    // One that is being destroyed holds zeros for a moment.
    if (info && info->id == path.stem()) found.push_back(*std::move(info));
  }
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", folder_.string(), error.message()));
  return found;
}

Result<void> BodyKeys::look() {
  if (looked_) return {};
  auto keys = list();
  if (!keys) return std::unexpected(std::move(keys).error());
  for (KeyInfo& info : *keys) {
    // Only one that we can unwrap later is of use.
    if (std::ranges::contains(*keks_, info.kek, &audit::WrappingKey::id))
      ids_.emplace(std::move(info.purpose), std::move(info.id));
  }
  looked_ = true;
  return {};
}

Result<const DataKey*> BodyKeys::key_for(const audit::KeyPurpose& purpose) {
  if (auto done = look(); !done) return std::unexpected(std::move(done).error());
  if (open_.size() >= open_keys) open_.clear();
  if (const auto known = ids_.find(purpose); known != ids_.end()) {
    if (const auto ready = open_.find(known->second); ready != open_.end()) return &ready->second;
    auto key = find(known->second);
    if (key) return &open_.emplace(known->second, *std::move(key)).first->second;
    if (key.error().code != Code::not_found) return std::unexpected(std::move(key).error());
    ids_.erase(known);  // destroyed meanwhile
  }
  crypto::SystemRandom random;
  DataKey made = DataKey::make(purpose, random);
  const fs::path path = path_of(made.id());
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error)
    return fail(Code::io,
                std::format("cannot create {}: {}", path.parent_path().string(), error.message()));
  if (auto written = write_secret_file(path, made.wrap(keks_->front(), random)); !written)
    return std::unexpected(std::move(written).error());
  ids_.emplace(purpose, made.id());
  std::string id = made.id();
  return &open_.emplace(std::move(id), std::move(made)).first->second;
}

Result<DataKey> BodyKeys::find(std::string_view id) const {
  if (!is_id(id)) return fail(Code::invalid, "no id of a data key");
  const auto text = read_secret_file(path_of(id), file_limit);
  if (!text) return std::unexpected(text.error());
  if (!*text) return fail(Code::not_found, std::format("data key {} is not there", id));
  auto key = DataKey::unwrap((*text)->reveal(), *keks_);
  if (!key) return base::within(path_of(id).string(), std::move(key).error());
  if (key->id() != id)
    return fail(Code::malformed, std::format("{} holds another key", path_of(id).string()));
  return key;
}

Result<void> BodyKeys::destroy(std::string_view id) {
  if (!is_id(id)) return fail(Code::invalid, "no id of a data key");
  if (const auto ready = open_.find(id); ready != open_.end()) open_.erase(ready);
  std::erase_if(ids_, [&](const auto& entry) { return entry.second == id; });
  return destroy_secret_file(path_of(id));
}

Result<std::size_t> BodyKeys::rewrap() {
  const auto keys = list();
  if (!keys) return std::unexpected(keys.error());
  crypto::SystemRandom random;
  std::size_t count = 0;
  for (const KeyInfo& info : *keys) {
    if (info.kek == keks_->front().id()) continue;
    const auto key = find(info.id);
    if (!key) return std::unexpected(key.error());
    if (auto written = replace_secret_file(path_of(info.id), key->wrap(keks_->front(), random));
        !written)
      return std::unexpected(std::move(written).error());
    ++count;
  }
  return count;
}

void BodyKeys::forget() {
  looked_ = false;
  ids_.clear();
  open_.clear();
}

}  // namespace latticegate::store
