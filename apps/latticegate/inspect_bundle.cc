// inspect sign, inspect verify: a directory of rules as a bundle whose author stands for it. What
// is signed: gateway/rules_in_force.h.
#include <filesystem>
#include <format>
#include <memory>
#include <print>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "gateway/rules_in_force.h"
#include "inspect/rules.h"
#include "seen.h"
#include "store/log_keys.h"
#include "store/open_file.h"

namespace latticegate::app {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;

struct Signing {
  std::string directory;
  std::string name;
  std::uint64_t version = 0;
  std::string state;
};

// Zero when there is none.
Result<std::uint64_t> version_before(const fs::path& directory, std::string_view name,
                                     const std::vector<audit::VerifierKey>& keys) {
  const auto note = store::read_file(directory / gateway::bundle_note, audit::note_limit.count);
  if (!note && note.error().code == Code::not_found) return 0;
  if (!note) return std::unexpected(note.error());
  const auto opened = audit::open_checkpoint(*note, keys, name);
  if (!opened) return base::within(std::string(gateway::bundle_note), opened.error());
  return opened->checkpoint.size;
}

// Rules whose examples come out otherwise are not signed.
Result<std::vector<inspect::RuleFile>> sound_rules(const fs::path& directory) {
  auto own = gateway::read_rule_files(directory);
  if (!own) return own;
  if (own->empty())
    return fail(Code::not_found, std::format("{} has no *.yaml", directory.string()));
  std::vector<inspect::RuleFile> all = inspect::built_in_files();
  all.insert(all.end(), own->begin(), own->end());
  const auto failing = inspect::failing_examples(all);
  if (!failing) return std::unexpected(failing.error());
  if (!failing->empty()) return fail(Code::invalid, failing->front());
  return own;
}

Result<audit::Checkpoint> signed_bundle(const Signing& given) {
  const auto files = sound_rules(given.directory);
  if (!files) return std::unexpected(files.error());
  const auto keys = store::LogKeys::open(fs::path(given.state), given.name, true);
  if (!keys) return std::unexpected(keys.error());
  const auto verifiers = keys->verifiers();
  if (!verifiers) return std::unexpected(verifiers.error());
  const auto before = version_before(given.directory, given.name, *verifiers);
  if (!before) return std::unexpected(before.error());
  const std::uint64_t version = given.version != 0 ? given.version : *before + 1;
  if (version <= *before)
    return fail(
        Code::invalid,
        std::format("version {} is signed already; gateways take none that is lower", *before));
  const auto statement = gateway::bundle_statement(given.name, version, *files);
  if (!statement) return statement;
  const auto note = keys->sign(*statement, 0);
  if (!note) return std::unexpected(note.error());
  if (auto done = write_whole(fs::path(given.state) / "rules.pub", keys->public_text()); !done)
    return std::unexpected(std::move(done).error());
  if (auto done = write_whole(fs::path(given.directory) / gateway::bundle_note, *note); !done)
    return std::unexpected(std::move(done).error());
  return statement;
}

int sign(const Signing& given) {
  const auto statement = signed_bundle(given);
  if (!statement) return complain("inspect sign", statement.error());
  std::println("{} version {}, signed: {}", statement->origin, statement->size,
               (fs::path(given.directory) / gateway::bundle_note).string());
  std::println(stderr, "Gateways ask for it with inspect.rules_keys: {}",
               (fs::path(given.state) / "rules.pub").string());
  return done;
}

int verify(const std::string& directory, const std::vector<std::string>& words) {
  const auto keys = keys_given(words);
  if (!keys) return complain("--key", keys.error());
  const auto files = gateway::read_rule_files(directory);
  if (!files) return complain("inspect verify", files.error());
  const auto statement = gateway::verify_bundle(directory, *files, *keys);
  if (!statement) {
    (void)complain("inspect verify", statement.error());
    return wrong;
  }
  std::println("{} version {}: {} as signed", statement->origin, statement->size,
               files->size() == 1 ? "1 file" : std::format("{} files", files->size()));
  return done;
}

}  // namespace

void add_inspect_bundle(CLI::App& inspect, Chosen& chosen) {
  CLI::App* const signing =
      inspect.add_subcommand("sign", "Sign a directory of rules, for gateways that ask for it");
  const auto given = std::make_shared<Signing>();
  signing->add_option("directory", given->directory, "Holds the *.yaml; gets rules.note")
      ->required();
  signing->add_option("--name", given->name, "Of the bundle and its keys: acme.example/rules")
      ->required();
  signing->add_option("--version", given->version, "Higher than the last; default: the next")
      ->check(CLI::PositiveNumber);
  signing
      ->add_option("--state", given->state,
                   "Folder of the keys; made at the first time, with rules.pub for gateways")
      ->required();
  signing->callback([given, &chosen] { chosen = [given] { return sign(*given); }; });

  struct Verifying {
    std::string directory;
    std::vector<std::string> keys;
  };
  CLI::App* const verifying =
      inspect.add_subcommand("verify", "Whether a directory of rules is as its author signed it");
  const auto wanted = std::make_shared<Verifying>();
  verifying->add_option("directory", wanted->directory, "Holds the *.yaml and rules.note")
      ->required();
  verifying->add_option("--key", wanted->keys, "Public keys: a file, or one itself")->required();
  verifying->callback(
      [wanted, &chosen] { chosen = [wanted] { return verify(wanted->directory, wanted->keys); }; });
}

}  // namespace latticegate::app
