// audit show --reveal, audit erase, audit retain, audit rotate: what is done to the record by
// people, and recorded.
#include "audit_custody.h"

#include <print>

#include "base/log.h"
#include "commands.h"
#include "config/files.h"
#include "desk.h"
#include "json/write.h"
#include "policy_files.h"
#include "store/body_keys.h"
#include "store/wrapping_keys.h"

namespace latticegate::app {
namespace {

using base::Result;

Result<std::string> token_in(const std::string& file) {
  auto token = file_text(file);
  if (!token) return token;
  while (token->ends_with('\n') || token->ends_with('\r')) token->pop_back();
  return token;
}

// What the desk says, or the exit code.
std::expected<std::string, int> ask(const std::string& config, std::string_view what,
                                    const std::string& body) {
  auto answer = ask_desk(config, what, body);
  if (answer) return *std::move(answer);
  std::println(stderr, "latticegate: {}", base::printable(answer.error().detail));
  switch (answer.error().code) {
    case base::Code::forbidden:
    case base::Code::unauthenticated: return std::unexpected(refused);
    case base::Code::not_found:
    case base::Code::conflict: return std::unexpected(wrong);
    case base::Code::invalid: return std::unexpected(usage);
    default: return std::unexpected(unknown);
  }
}

struct EraseArguments {
  std::string config = "latticegate.yaml";
  std::string subject;
  std::string user;
  std::string tenant;
  std::string basis;
  std::string token_file;
  std::string approval_file;
};

int erase(const EraseArguments& given) {
  const auto token = token_in(given.token_file);
  if (!token) return complain("--token-file", token.error());
  const auto approval = token_in(given.approval_file);
  if (!approval) return complain("--approval-token-file", approval.error());
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("token", *token)
      .member("approval", *approval)
      .member("subject", given.subject)
      .member("user", given.user)
      .member("tenant", given.tenant)
      .member("basis", given.basis)
      .end_object();
  const auto answer = ask(given.config, "erase", body);
  if (!answer) return answer.error();
  std::println("{}", *answer);
  std::println(stderr, "erased; `latticegate audit prove` makes a receipt of both records of it");
  return done;
}

struct RetainArguments {
  std::string config = "latticegate.yaml";
  bool dry_run = false;
};

int retain(const RetainArguments& given) {
  const auto answer = ask(given.config, "retain", given.dry_run ? "{}" : R"({"carry_out":true})");
  if (!answer) return answer.error();
  std::println("{}", *answer);
  return done;
}

struct RotateArguments {
  std::string config = "latticegate.yaml";
  bool finish = false;
};

int rotate(const RotateArguments& given) {
  const auto answer = ask(given.config, "rotate", given.finish ? R"({"finish":true})" : "{}");
  if (!answer) return answer.error();
  const auto document = json::Document::parse(*answer);
  if (!document) return complain("answer", document.error());
  std::print("{}", document->root()["keys"].text_or(""));
  const std::string_view record = document->root()["record"].digits();
  if (given.finish)
    std::println(stderr, "the former keys are destroyed; record {} names these", record);
  else
    std::println(stderr,
                 "record {} names these keys, and both sign from now on; give them (log.pub) to "
                 "whoever verifies,\nwitnesses above all, then run `latticegate audit rotate "
                 "--finish`",
                 record);
  return done;
}

int rekey(const std::string& config) {
  auto loaded = config::load(config);
  if (!loaded) return complain("configuration", loaded.error());
  const config::Audit& audit = loaded->config->audit;
  auto wrapping = store::read_wrapping_keys(
      {.file = audit.body_key.file, .command = audit.body_key.command, .may_make = false});
  if (!wrapping) return complain("audit.body_key", wrapping.error());
  const std::size_t known = wrapping->size();
  auto keys = store::BodyKeys::open(
      audit.keys / "bodies", std::make_shared<const store::WrappingKeys>(*std::move(wrapping)));
  if (!keys) return complain("audit.keys", keys.error());
  const auto done_keys = keys->rewrap();
  if (!done_keys) {
    (void)complain("audit.keys", done_keys.error());
    return unknown;
  }
  std::println(stderr, "{} keys wrapped anew{}", *done_keys,
               known > 1 ? "; the older wrapping keys are not needed any more" : "");
  return done;
}

}  // namespace

int reveal(const std::string& config, const std::string& record, const std::string& reason,
           const std::string& token_file) {
  const auto token = token_in(token_file);
  if (!token) return complain("--token-file", token.error());
  std::string body;
  json::Writer(body)
      .begin_object()
      .member("token", *token)
      .member("record", record)
      .member("reason", reason)
      .end_object();
  const auto answer = ask(config, "reveal", body);
  if (!answer) return answer.error();
  const auto document = json::Document::parse(*answer, {.size = {std::uint64_t{64} * 1024 * 1024}});
  if (!document) return complain("answer", document.error());
  int outcome = done;
  for (const json::Value one : document->root()["bodies"].elements()) {
    std::println("{:14} {} of record {}", "body", one["kind"].text_or(""), one["seq"].digits());
    if (one["error"].exists()) {
      std::println("{:14} {}", "not readable", base::printable(one["error"].text_or("")));
      outcome = wrong;
    } else {
      std::println("{}", base::printable(one["body"].text_or("")));
    }
  }
  return outcome;
}

void add_audit_custody(CLI::App& audit, Chosen& chosen) {
  auto erasing = std::make_shared<EraseArguments>();
  CLI::App* const erase_command = audit.add_subcommand(
      "erase", "Destroy the keys of a person's bodies: nobody reads them any more, anywhere");
  erase_command->add_option("-c,--config", erasing->config, "The gateway's configuration file")
      ->capture_default_str();
  erase_command->add_option("--subject", erasing->subject,
                            "The pseudonym that stands in principal.ref of their records");
  erase_command->add_option("--user", erasing->user, "The user's name, instead");
  erase_command->add_option("--tenant", erasing->tenant, "With --user: their tenant");
  erase_command->add_option("--basis", erasing->basis, "Why: the request, its date")->required();
  erase_command
      ->add_option("--token-file", erasing->token_file,
                   "The token of the person who erases, who has the role (audit.role)")
      ->required();
  erase_command
      ->add_option("--approval-token-file", erasing->approval_file,
                   "That of a second person with the role, who approves")
      ->required();
  erase_command->footer(
      "Prints the certificate. Records and proofs stay as they are; what they say of the bodies "
      "can no longer\nbe read or guessed. Exit codes: 0 erased, 1 nothing to erase or a legal "
      "hold, "
      "2 usage, 4 not allowed.");
  erase_command->callback([&chosen, erasing] { chosen = [erasing] { return erase(*erasing); }; });

  auto rekeying = std::make_shared<std::string>("latticegate.yaml");
  CLI::App* const rekey_command = audit.add_subcommand(
      "rekey", "Wrap the keys of all bodies by the first key of audit.body_key");
  rekey_command->add_option("-c,--config", *rekeying, "The gateway's configuration file")
      ->capture_default_str();
  rekey_command->footer(
      "To change the wrapping key: put the new one before the old one, restart the gateway, run "
      "this, take\nthe old one away. Copies of keys/bodies/ that were made before are worth "
      "nothing "
      "without the old one.");
  rekey_command->callback(
      [&chosen, rekeying] { chosen = [rekeying] { return rekey(*rekeying); }; });

  auto rotating = std::make_shared<RotateArguments>();
  CLI::App* const rotate_command =
      audit.add_subcommand("rotate", "Give the log other keys to sign its checkpoints with");
  rotate_command->add_option("-c,--config", rotating->config, "The gateway's configuration file")
      ->capture_default_str();
  rotate_command->add_flag("--finish", rotating->finish,
                           "End the time in which both sign: destroy the former keys");
  rotate_command->footer(
      "Prints the latest verifier keys. A record names them, and a receipt in the log's folder "
      "rotations/,\nsigned by both, proves it: audit check FILE --key FORMER.pub. Verification "
      "follows from the keys of any\ntime to those of any other. Exit codes: 0 done, 1 not now, "
      "3 it cannot be done.");
  rotate_command->callback(
      [&chosen, rotating] { chosen = [rotating] { return rotate(*rotating); }; });

  auto retaining = std::make_shared<RetainArguments>();
  CLI::App* const retain_command = audit.add_subcommand(
      "retain",
      "Give up now what audit.retention says is too old; a running gateway does it hourly");
  retain_command->add_option("-c,--config", retaining->config, "The gateway's configuration file")
      ->capture_default_str();
  retain_command->add_flag("-n,--dry-run", retaining->dry_run, "Only say what that would be");
  retain_command->callback(
      [&chosen, retaining] { chosen = [retaining] { return retain(*retaining); }; });
}

}  // namespace latticegate::app
