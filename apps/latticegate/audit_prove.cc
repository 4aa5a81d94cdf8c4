// audit prove: one record's receipt. audit check: whether a receipt holds.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <print>

#include "audit/bundle.h"
#include "audit/receipt.h"
#include "base/log.h"
#include "commands.h"
#include "json/value.h"
#include "json/write.h"
#include "log_reading.h"
#include "seen.h"
#include "store/log_keys.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Arguments {
  LogChoice log;
  std::string call;
  std::string file;
  std::string record;
  std::string output = "text";
  std::vector<std::string> keys;
  std::vector<std::string> witnesses;
  std::uint64_t index = 0;
  bool has_index = false;
  bool outcome = false;
};

// The seq of a call's decision, or of its outcome.
Result<std::uint64_t> find_call(const std::filesystem::path& log, const Arguments& given) {
  auto reader = store::LogReader::open(log);
  if (!reader) return std::unexpected(std::move(reader).error());
  const std::string_view type = given.outcome ? "call.finished" : "call.decided";
  for (;;) {
    const auto entry = reader->next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry)
      return fail(Code::not_found,
                  std::format("there is no {} of call {} in the log", type, given.call));
    if (!(*entry)->leaf.contains(given.call)) continue;
    const auto record = json::Document::parse((*entry)->leaf);
    if (record && record->root()["call_uid"].text_or("") == given.call &&
        record->root()["type"].text_or("") == type)
      return (*entry)->seq;
  }
}

Result<audit::Receipt> make_receipt(const std::filesystem::path& log, std::uint64_t index) {
  auto note = store::read_file(store::checkpoint_path(log), audit::note_limit.count);
  if (!note) return std::unexpected(std::move(note).error());
  const auto pub = store::read_file(store::public_keys_path(log), 64 * 1024);
  if (!pub) return std::unexpected(pub.error());
  const auto keys = store::read_verifier_keys(*pub);
  if (!keys) return std::unexpected(keys.error());
  const auto head = audit::open_checkpoint(*note, *keys);
  if (!head) return std::unexpected(head.error());
  const std::uint64_t size = head->checkpoint.size;
  if (index >= size)
    return fail(Code::conflict,
                std::format("record {} is not under a checkpoint yet; the last one covers {} "
                            "records",
                            index, size));
  const store::FolderTiles tiles(log);
  auto proof = audit::prove_inclusion(index, size, audit::TileSource(tiles, size));
  if (!proof) return std::unexpected(std::move(proof).error());
  const std::uint64_t bundle = index / audit::tile_width;
  const auto width = static_cast<unsigned>(
      std::min<std::uint64_t>(audit::tile_width, size - bundle * audit::tile_width));
  const auto bytes = tiles.bundle(bundle, width);
  if (!bytes) return std::unexpected(bytes.error());
  audit::BundleReader leaves(*bytes);
  std::optional<std::string_view> leaf = leaves.next();
  for (std::uint64_t i = 0; i < index % audit::tile_width; ++i) leaf = leaves.next();
  if (!leaf)
    return fail(Code::malformed, std::format("{} is damaged", audit::bundle_path(bundle, width)));
  audit::Receipt receipt{.extra = std::string(*leaf),
                         .index = index,
                         .proof = *std::move(proof),
                         .checkpoint = *std::move(note)};
  // What we hand out holds.
  if (auto checked = audit::check_receipt(receipt, *keys, keys->size()); !checked)
    return std::unexpected(std::move(checked).error());
  return receipt;
}

int prove(const Arguments& given) {
  if (given.has_index == !given.call.empty()) {
    std::println(stderr, "latticegate: audit prove takes --index or --call");
    return usage;
  }
  const auto chosen = choose_log(given.log);
  if (!chosen) return complain("audit log", chosen.error());
  const std::filesystem::path& log = chosen->directory;
  std::uint64_t index = given.index;
  if (!given.call.empty()) {
    const auto found = find_call(log, given);
    if (!found) {
      (void)complain("audit log", found.error());
      return found.error().code == Code::not_found ? wrong : unknown;
    }
    index = *found;
  }
  auto receipt = make_receipt(log, index);
  // In a log that is being written, tiles of the checkpoint that we read may be gone: take the
  // next.
  if (!receipt && receipt.error().code == Code::not_found) receipt = make_receipt(log, index);
  if (!receipt) {
    (void)complain("audit log", receipt.error());
    return receipt.error().code == Code::crypto || receipt.error().code == Code::malformed
               ? wrong
               : unknown;
  }
  const std::string text = audit::write_receipt(*receipt);
  if (given.file.empty()) {
    std::print("{}", text);
    return done;
  }
  std::ofstream out(given.file, std::ios::binary | std::ios::trunc);
  out << text;
  out.flush();
  if (!out) {
    std::println(stderr, "latticegate: cannot write {}", given.file);
    return unknown;
  }
  std::println(stderr, "record {}: {}", index, given.file);
  return done;
}

void print_checked(const audit::Receipt& receipt, const audit::Checked& checked,
                   const std::vector<audit::VerifierKey>& known, bool as_json) {
  std::uint64_t at = 0;
  std::vector<std::string> signers;
  for (const audit::Endorsement& e : checked.head.endorsements) {
    at = std::max(at, e.timestamp);
    const audit::VerifierKey& key = known[e.key];
    signers.push_back(std::format(
        "{} ({}, key {:08x})", key.name(),
        key.type() == audit::NoteKeyType::ml_dsa_44_cosignature ? "ML-DSA-44" : "Ed25519",
        key.id()));
  }
  const audit::Checkpoint& head = checked.head.checkpoint;
  if (as_json) {
    std::string out;
    json::Writer w(out);
    w.begin_object()
        .member("verdict", "proved")
        .member("origin", head.origin)
        .member("index", static_cast<std::int64_t>(receipt.index))
        .member("size", static_cast<std::int64_t>(head.size))
        .member("signed_at", static_cast<std::int64_t>(at));
    w.key("signers").begin_array();
    for (const std::string& signer : signers) w.string(signer);
    w.end_array().member("record", checked.leaf).end_object();
    std::println("{}", out);
    return;
  }
  std::println("{:<10} {} of {}", "record", receipt.index, base::printable(head.origin));
  std::println("{:<10} the first {} records, {}", "signed", head.size,
               at == 0 ? "time unknown" : date_of(at));
  for (const std::string& signer : signers)
    std::println("{:<10} {}", "by", base::printable(signer));
  if (const auto record = json::Document::parse(checked.leaf))
    for (const json::Member member : record->root().members())
      std::println("  {:14} {}", base::printable(member.key),
                   base::printable(json::to_string(member.value)));
  else
    std::println("  {}", base::printable(checked.leaf));
  std::println("{:<10} PROVED", "RESULT");
}

int check(const Arguments& given) {
  const auto text = store::read_file(given.file, audit::receipt_limit.count);
  if (!text) return complain("receipt", text.error());
  const auto receipt = audit::read_receipt(*text);
  if (!receipt) {
    (void)complain(given.file, receipt.error());
    return wrong;
  }
  auto known = keys_given(given.keys);
  if (!known) return complain("--key", known.error());
  const std::size_t required = known->size();
  auto witnesses = keys_given(given.witnesses);
  if (!witnesses) return complain("--witness", witnesses.error());
  for (audit::VerifierKey& key : *witnesses) known->push_back(std::move(key));
  std::optional<std::string> record;
  if (!given.record.empty()) {
    auto read = store::read_file(given.record, 64 * 1024);
    if (!read) return complain("record", read.error());
    record = *std::move(read);
    // An editor's newline is not part of a record.
    if (record->ends_with('\n')) record->pop_back();
  }
  const auto checked = audit::check_receipt(*receipt, *known, required + witnesses->size(), record);
  if (!checked) {
    if (given.output == "json") {
      std::string out;
      json::Writer(out)
          .begin_object()
          .member("verdict", "refuted")
          .member("what", checked.error().detail)
          .end_object();
      std::println("{}", out);
    } else {
      std::println("{:<10} {}", "PROBLEM", base::printable(checked.error().detail));
      std::println("{:<10} NOT PROVED", "RESULT");
    }
    return wrong;
  }
  print_checked(*receipt, *checked, *known, given.output == "json");
  return done;
}

}  // namespace

void add_audit_prove(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const prove_command =
      audit.add_subcommand("prove", "One record's receipt: proves it to others without the log");
  add_log_options(*prove_command, given->log);
  prove_command->add_option("--index", given->index, "The record's seq")
      ->each([given](const std::string&) { given->has_index = true; });
  prove_command->add_option("--call", given->call, "A call_uid: its decision");
  prove_command->add_flag("--outcome", given->outcome, "With --call: its outcome instead");
  prove_command->add_option("--file", given->file,
                            "Write to this file (NAME.tlog-proof), not to standard output");
  prove_command->callback([&chosen, given] { chosen = [given] { return prove(*given); }; });

  CLI::App* const check_command =
      audit.add_subcommand("check", "Whether a receipt holds: offline, without the log");
  check_command->add_option("receipt", given->file, "The .tlog-proof file")->required();
  check_command
      ->add_option("--key", given->keys,
                   "Verifier keys of the log, or a file with them (its log.pub); all must have "
                   "signed")
      ->required();
  check_command->add_option("--witness", given->witnesses,
                            "Verifier keys that must have signed, too");
  check_command->add_option("--record", given->record, "The record, if it is not in the receipt");
  check_command->add_option("-o,--output", given->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  check_command->footer("Exit codes: 0 proved, 1 not proved, 2 usage.");
  check_command->callback([&chosen, given] { chosen = [given] { return check(*given); }; });
}

}  // namespace latticegate::app
