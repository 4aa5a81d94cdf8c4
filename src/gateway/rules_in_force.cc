#include "gateway/rules_in_force.h"

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <format>
#include <iterator>
#include <utility>

#include "base/bytes.h"
#include "base/storage.h"
#include "crypto/hash.h"
#include "store/log_keys.h"
#include "store/open_file.h"

namespace latticegate::gateway {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;
using base::within;

constexpr std::size_t largest_file = std::size_t{16} * 1024 * 1024;
constexpr std::string_view space = "rules";
constexpr std::string_view databases_key = "databases";
constexpr std::string_view version_prefix = "version/";

}  // namespace

Result<std::vector<inspect::RuleFile>> read_rule_files(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error))
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  if (error)
    return fail(Code::io, std::format("cannot read {}: {}", directory.string(), error.message()));
  std::ranges::sort(paths);
  std::vector<inspect::RuleFile> files;
  for (const fs::path& path : paths) {
    auto text = store::read_file(path, largest_file);
    if (!text) return std::unexpected(std::move(text).error());
    files.push_back({path.string(), *std::move(text)});
  }
  return files;
}

Result<audit::Checkpoint> bundle_statement(std::string_view name, std::uint64_t version,
                                           std::span<const inspect::RuleFile> files) {
  if (!audit::is_key_name(name))
    return fail(Code::invalid,
                std::format("\"{}\" cannot name a bundle: no spaces, no +", base::printable(name)));
  if (version == 0) return fail(Code::invalid, "versions begin with 1");
  crypto::Sha256 hash;
  for (const inspect::RuleFile& file : files) {
    const std::string file_name = fs::path(file.name).filename().string();
    hash.update(std::format("{} {} {}\n",
                            crypto::to_hex(crypto::Sha256().update(file.text).finish()),
                            file_name.size(), file_name));
  }
  return audit::Checkpoint{.origin = std::string(name), .size = version, .root = hash.finish()};
}

Result<audit::Checkpoint> verify_bundle(const fs::path& directory,
                                        std::span<const inspect::RuleFile> files,
                                        std::span<const audit::VerifierKey> keys) {
  const fs::path path = directory / bundle_note;
  const auto note = store::read_file(path, audit::note_limit.count);
  if (!note) {
    if (note.error().code != Code::not_found) return std::unexpected(note.error());
    return fail(Code::not_found, std::format("{} has no {}: the rules are not signed (latticegate "
                                             "inspect sign)",
                                             directory.string(), bundle_note));
  }
  auto opened = audit::open_checkpoint(*note, keys);
  if (!opened) return within(path.string(), std::move(opened).error());
  for (const audit::VerifierKey& key : keys) {
    const bool has_signed = std::ranges::any_of(
        opened->endorsements,
        [&](const audit::Endorsement& e) { return keys[e.key].type() == key.type(); });
    if (!has_signed)
      return fail(Code::crypto,
                  std::format("{}: no key of the kind of {} signed it", path.string(),
                              base::printable(key.text().substr(0, key.name().size() + 9))));
  }
  const auto statement =
      bundle_statement(opened->checkpoint.origin, opened->checkpoint.size, files);
  if (!statement) return within(path.string(), statement.error());
  if (statement->root != opened->checkpoint.root)
    return fail(Code::conflict,
                std::format("{}: the files are not those that were signed as {} version {}",
                            path.string(), base::printable(statement->origin), statement->size));
  return statement;
}

RulesInForce::RulesInForce(Memory& memory, const base::Log& log) : memory_(memory), log_(log) {
  for (store::State::Entry& entry : memory_.take(space)) {
    if (entry.key == databases_key) {
      databases_ = std::move(entry.value);
    } else if (entry.key.starts_with(version_prefix)) {
      std::uint64_t version = 0;
      std::from_chars(entry.value.data(), entry.value.data() + entry.value.size(), version);
      versions_[entry.key.substr(version_prefix.size())] = version;
    }
  }
}

Result<std::optional<audit::Checkpoint>> RulesInForce::bundle_of(
    const config::Inspect& options, std::span<const inspect::RuleFile> files) const {
  if (options.rules_keys.empty()) return std::nullopt;
  const auto text = store::read_file(options.rules_keys, largest_file);
  if (!text) return within("inspect.rules_keys", text.error());
  const auto keys = store::read_verifier_keys(*text);
  if (!keys) return within(options.rules_keys.string(), keys.error());
  auto bundle = verify_bundle(options.rules, files, *keys);
  if (!bundle) return within("inspect.rules", std::move(bundle).error());
  if (const auto newest = versions_.find(bundle->origin);
      newest != versions_.end() && bundle->size < newest->second)
    return fail(Code::forbidden,
                std::format("inspect.rules: {} is version {}, but version {} was loaded before; a "
                            "bundle never goes back: sign the old rules as a new version",
                            base::printable(bundle->origin), bundle->size, newest->second));
  return *std::move(bundle);
}

Result<std::shared_ptr<const inspect::RuleSet>> RulesInForce::load(const config::Inspect& options) {
  std::vector<inspect::RuleFile> files = inspect::built_in_files();
  std::optional<audit::Checkpoint> bundle;
  if (!options.rules.empty()) {
    auto own = read_rule_files(options.rules);
    if (!own) return std::unexpected(std::move(own).error());
    auto checked = bundle_of(options, *own);
    if (!checked) return std::unexpected(std::move(checked).error());
    bundle = *std::move(checked);
    std::ranges::move(*own, std::back_inserter(files));
  }
  if (!rules_ || files != files_) {
    std::string databases = rules_ ? rules_->databases() : std::exchange(databases_, {});
    auto rules = inspect::RuleSet::compile(files, databases);
    if (!rules) return rules;
    if (!(*rules)->databases_were_kept())
      memory_.put(std::string(space), std::string(databases_key), (*rules)->databases());
    rules_ = *std::move(rules);
    files_ = std::move(files);
    base::free_storage(databases);
    ::malloc_trim(0);  // compiling took tens of megabytes that nothing needs again
  }
  if (bundle && std::exchange(versions_[bundle->origin], bundle->size) != bundle->size) {
    memory_.put(std::string(space), std::string(version_prefix) + bundle->origin,
                std::to_string(bundle->size));
    log_.info("rules of a signed bundle", {{"bundle", base::printable(bundle->origin)},
                                           {"version", std::to_string(bundle->size)}});
  }
  return rules_;
}

}  // namespace latticegate::gateway
